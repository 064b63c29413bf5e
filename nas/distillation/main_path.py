"""Whether everything that a network computes passes through one of its modules."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from nas.distillation.dry_run import evaluation_mode, zeros_for


def carries_everything(network: nn.Module, path: str, input_shape: Sequence[int]) -> bool:
    """Whether a module is no branch beside a shortcut, and no gate.

    The output of the module is cut off from its past. If the output of a module around it still
    depends on what goes in there, something has passed by. Modules around it that give several
    outputs, and a network that gives maps, may have their ways past. The network's own children are
    taken for its stages, even where a later one reads two of them, as the cells of DARTS do.

    Args:
        network: Left as it is.
        path: Of a module in it.
        input_shape: N x channels x height x width of the images.
    """
    if "." not in path:
        return True
    passed: list[bool] = []
    modules = dict(network.named_modules(remove_duplicate=False))
    parts = path.split(".")
    around = [".".join(parts[:count]) for count in range(len(parts))]
    with contextlib.ExitStack() as stack:
        stack.enter_context(evaluation_mode(network))
        stack.enter_context(torch.random.fork_rng(devices=[]))
        cut = modules[path].register_forward_hook(lambda module, inputs, output: _cut(output))
        stack.callback(cut.remove)
        for outer in around:
            stack.enter_context(_watched(modules[outer], not outer, passed.append))
        with torch.enable_grad():
            network(zeros_for(network, input_shape))
    return not any(passed)


@contextlib.contextmanager
def _watched(module: nn.Module, outermost: bool, note: Callable[[bool], None]) -> Iterator[None]:
    """Notes at every call whether the output depends on the inputs."""
    entries: list[list[Tensor]] = []

    def enter(module: nn.Module, inputs: Any) -> Any:
        leaves: list[Tensor] = []
        entries.append(leaves)
        return _as_leaves(inputs, leaves)

    def leave(module: nn.Module, inputs: Any, output: Any) -> None:
        leaves = entries.pop()
        several = not isinstance(output, Tensor) or (outermost and output.ndim == 4)
        if several or not output.requires_grad or not leaves:
            return
        total = output.float().sum()
        found = torch.autograd.grad(total, leaves, retain_graph=True, allow_unused=True)
        note(any(gradient is not None for gradient in found))

    handles = (module.register_forward_pre_hook(enter), module.register_forward_hook(leave))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _cut(output: Any) -> Any:
    return output.detach().clone() if isinstance(output, Tensor) else output


def _as_leaves(value: Any, leaves: list[Tensor]) -> Any:
    """The same inputs, their numbers cut off from their past; the leaves are added to a list."""
    if isinstance(value, Tensor) and value.is_floating_point():
        leaf = value.detach().requires_grad_()
        leaves.append(leaf)
        # What changes its input in place cannot change a leaf.
        return leaf.clone()
    if isinstance(value, tuple | list):
        items = [_as_leaves(inner, leaves) for inner in value]
        return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
    return value
