"""A run of a network on empty images, to learn what its modules give."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

Shape = tuple[int, ...]


@dataclass
class DryRun:
    """What came out of a network.

    Attributes:
        shapes: Output shape of each module that gives a tensor, by path, in the order in which
            their last calls end.
        vectors: Outputs N x D and N x D x 1 x 1, by path.
        calls: How many times a module was called, by path.
        images: Shape of what the network runs on, which a hook of it may have resized.
        logits: The network's output.
    """

    shapes: dict[str, Shape] = field(default_factory=dict)
    vectors: dict[str, Tensor] = field(default_factory=dict)
    calls: dict[str, int] = field(default_factory=dict)
    images: Shape = ()
    logits: Tensor = field(default_factory=lambda: torch.empty(0))

    def note(self, path: str, output: Any) -> None:
        """Takes down what a module gave."""
        self.calls[path] = self.calls.get(path, 0) + 1
        self.shapes.pop(path, None)
        self.vectors.pop(path, None)
        if isinstance(output, Tensor):
            self.shapes[path] = tuple(output.shape)
            if output.ndim == 2 or output.shape[2:] == (1, 1):
                self.vectors[path] = output

    def note_images(self, network: nn.Module, inputs: Any, output: Any) -> None:
        """Takes down what the network ran on."""
        self.images = tuple(inputs[0].shape) if inputs else ()


def dry_run(network: nn.Module, input_shape: Shape) -> DryRun:
    """Runs a network on images of zeros, in evaluation mode and without gradients.

    Modes, buffers and random generators are afterwards what they were.

    Args:
        network: Its forward gives logits, or logits and auxiliary outputs.
        input_shape: N x channels x height x width of the images.
    """
    run = DryRun()
    images = zeros_for(network, input_shape)
    devices = [images.device] if images.device.type == "cuda" else []
    with contextlib.ExitStack() as stack:
        stack.enter_context(evaluation_mode(network))
        stack.enter_context(torch.no_grad())
        stack.enter_context(torch.random.fork_rng(devices=devices))
        stack.callback(network.register_forward_hook(run.note_images).remove)
        for path, module in network.named_modules(remove_duplicate=False):
            if path:
                hook = module.register_forward_hook(
                    lambda module, inputs, output, path=path: run.note(path, output)
                )
                stack.callback(hook.remove)
        output = network(images)
    run.logits = split_output(output)[0]
    return run


def split_output(output: Any) -> tuple[Tensor, Any]:
    """Logits and auxiliary outputs of what a network gives; None where it has no auxiliary ones.

    Raises:
        ValueError: If it gives neither logits nor a pair.
    """
    if isinstance(output, Tensor):
        return output, None
    if isinstance(output, tuple | list) and len(output) == 2 and isinstance(output[0], Tensor):
        return output[0], output[1]
    raise ValueError(
        "a network has to give logits, or logits and auxiliary outputs, not a "
        f"{type(output).__name__}"
    )


def zeros_for(network: nn.Module, input_shape: Sequence[int]) -> Tensor:
    """Empty images on the device and of the number type of a network."""
    weight = next((p for p in network.parameters() if p.is_floating_point()), torch.empty(0))
    return torch.zeros(tuple(input_shape), dtype=weight.dtype, device=weight.device)


@contextlib.contextmanager
def evaluation_mode(network: nn.Module) -> Iterator[None]:
    """A block in which a network is in evaluation mode; modes are then what they were."""
    modes = {module: module.training for module in network.modules()}
    network.eval()
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training
