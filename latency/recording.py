"""A forward pass as a straight line of calls."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from latency.errors import ExportError
from latency.tracing import CONSTANT, map_leaves, module_paths, tensors_of


@dataclass(frozen=True)
class _Slot:
    """Stands for a tensor that depends on the input."""

    index: int


@dataclass(frozen=True)
class _Call:
    step: _Step
    args: Any
    kwargs: Any
    results: tuple[_Slot, ...]


class _Step(nn.Module):
    """A function as a module, for exporters name what they write after modules."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self._function = function

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self._function(*args, **kwargs)


class Recording(nn.Module):
    """Replays the calls that a network made on its input.

    Call number N, from 0, is a submodule of its own, named after the module of the network that
    made it: `decoder/classifier#N` for `decoder.classifier`.

    Sizes are plain numbers in it, and whatever does not depend on the input, such as a cropped or
    a merged kernel, is a constant. An exporter that would have to follow either needs less time,
    and manages where it would otherwise fail.
    """

    def __init__(self) -> None:
        super().__init__()
        self._calls: list[_Call] = []
        self._path = [""]
        self._output: Any = _Slot(0)
        self._slots = 1

    @classmethod
    def of(cls, network: nn.Module, image: Tensor) -> Recording:
        """Runs a network in evaluation mode once.

        Args:
            network: Maps a tensor to a tensor.
            image: Input of shape N x C x H x W, which the recording is fixed to.

        Raises:
            ExportError: If the output is not one tensor, or the network writes into a tensor of
                its own.
        """
        recording = cls()
        with torch.no_grad(), module_paths(network, recording._path):
            output = network(recording._tracked(image, _Slot(0)))
        if not isinstance(output, Tensor):
            raise ExportError(
                f"the network gives a {type(output).__name__}: export one that gives one tensor."
            )
        recording._output = recording._frozen(output)
        return recording

    def forward(self, image: Tensor) -> Tensor:
        """Maps an input of the recorded shape to what the network gives for it."""
        values = {_Slot(0): image}

        def resolve(leaf: Any) -> Any:
            return values[leaf] if isinstance(leaf, _Slot) else leaf

        for call in self._calls:
            result = call.step(*map_leaves(call.args, resolve), **map_leaves(call.kwargs, resolve))
            values.update(zip(call.results, tensors_of(result), strict=True))
        output: Tensor = resolve(self._output)
        # A tracer refuses an output that has nothing to do with the input.
        return output if isinstance(self._output, _Slot) else output + image.new_zeros(())

    def note(self, function: Callable[..., Any], args: Any, kwargs: Any, result: Any) -> Any:
        """Records a call; returns its result, with every tensor tracked."""
        args, kwargs = map_leaves(args, self._frozen), map_leaves(kwargs, self._frozen)
        slots = tuple(_Slot(self._slots + index) for index, _ in enumerate(tensors_of(result)))
        self._slots += len(slots)
        step = _Step(function)
        self.add_module(f"{self._path[-1].replace('.', '/')}#{len(self._calls)}", step)
        self._calls.append(_Call(step, args, kwargs, slots))
        remaining = iter(slots)

        def track(leaf: Any) -> Any:
            return self._tracked(leaf, next(remaining)) if isinstance(leaf, Tensor) else leaf

        return map_leaves(result, track)

    def _tracked(self, tensor: Tensor, slot: _Slot) -> Tensor:
        tracked = tensor if isinstance(tensor, _Tracked) else tensor.as_subclass(_Tracked)
        tracked.recording, tracked.slot = self, slot
        return tracked

    def _frozen(self, leaf: Any) -> Any:
        return leaf.slot if isinstance(leaf, _Tracked) else leaf


class _Tracked(Tensor):
    """A tensor that depends on the input.

    A subclass, because code with kernels of its own looks for one and takes the standard
    operation instead.
    """

    recording: Recording
    slot: _Slot

    @classmethod
    def __torch_function__(
        cls,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        inputs = [*tensors_of(args), *tensors_of(tuple(kwargs.values()))]
        with torch._C.DisableTorchFunctionSubclass():
            versions = [tensor._version for tensor in inputs]
            result = func(*args, **kwargs)
            pairs = zip(inputs, versions, strict=True)
            written = [tensor for tensor, version in pairs if tensor._version != version]
        if not all(isinstance(tensor, cls) for tensor in written):
            raise ExportError(
                "the network writes what it computes into a tensor of its own: let it make a new "
                "tensor instead, with torch.cat for instance."
            )
        # Questions, such as for a shape, have plain values as answers.
        if not written and (func in CONSTANT or next(tensors_of(result), None) is None):
            return result
        recording = next(tensor.recording for tensor in inputs if isinstance(tensor, cls))
        return recording.note(func, args, kwargs, result)
