"""A forward pass as a straight line of calls."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from latency.errors import ExportError
from latency.tracing.forward_pass import CONSTANT, leaves_of, map_leaves, module_paths, tensors_of


@dataclass(frozen=True)
class Slot:
    """Stands for a tensor that depends on the input; 0 is the input itself."""

    index: int


IMAGE = Slot(0)


@dataclass(frozen=True)
class RecordedCall:
    """A function that was called on tensors that depend on the input.

    Attributes:
        number: Of the call, from 0.
        path: Of the module that made it.
        function: What was called.
        args: Its arguments, with a slot for every tensor that depends on the input.
        kwargs: Its named arguments, likewise.
        results: The tensors that it gave.
    """

    number: int
    path: str
    function: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    results: tuple[Slot, ...]

    @property
    def name(self) -> str:
        """Path and number, in a form that a submodule may have."""
        return f"{self.path.replace('.', '/')}#{self.number}"


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

    Args:
        calls: The calls, in order.
        output: Slot of the output, or the output itself if it does not depend on the input; a
            tuple of slots of a part that gives several.
        inputs: Slots of the inputs; that of the image unless it is a part that follows another.
    """

    def __init__(
        self,
        calls: Iterable[RecordedCall],
        output: Slot | Tensor | tuple[Slot, ...],
        inputs: tuple[Slot, ...] = (IMAGE,),
    ) -> None:
        super().__init__()
        self.calls = tuple(calls)
        self.output = output
        self.inputs = inputs
        for call in self.calls:
            self.add_module(call.name, _Step(call.function))

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
        recorder = _Recorder()
        with torch.no_grad(), module_paths(network, recorder.path):
            output = network(recorder.tracked(image, IMAGE))
        if not isinstance(output, Tensor):
            raise ExportError(
                f"the network gives a {type(output).__name__}: export one that gives one tensor."
            )
        return cls(recorder.calls, recorder.frozen(output))

    def forward(self, *inputs: Tensor) -> Any:
        """Maps inputs of the recorded shapes to what the network gives for them."""
        values = dict(zip(self.inputs, inputs, strict=True))

        def resolve(leaf: Any) -> Any:
            return values[leaf] if isinstance(leaf, Slot) else leaf

        # In the order in which they were added.
        for call, step in zip(self.calls, self.children(), strict=True):
            result = step(*map_leaves(call.args, resolve), **map_leaves(call.kwargs, resolve))
            values.update(zip(call.results, tensors_of(result), strict=True))
        if isinstance(self.output, Tensor):
            # A tracer refuses an output that has nothing to do with the input.
            return self.output + inputs[0].new_zeros(())
        return map_leaves(self.output, resolve)


def slots_of(value: Any) -> Iterator[Slot]:
    """The slots among the leaves of nested tuples, lists and dictionaries."""
    return (leaf for leaf in leaves_of(value) if isinstance(leaf, Slot))


class _Recorder:
    """Notes calls on tracked tensors."""

    def __init__(self) -> None:
        self.calls: list[RecordedCall] = []
        self.path = [""]
        self._slots = 1

    def note(self, function: Callable[..., Any], args: Any, kwargs: Any, result: Any) -> Any:
        """Records a call; returns its result, with every tensor tracked."""
        args, kwargs = map_leaves(args, self.frozen), map_leaves(kwargs, self.frozen)
        slots = tuple(Slot(self._slots + index) for index, _ in enumerate(tensors_of(result)))
        self._slots += len(slots)
        self.calls.append(
            RecordedCall(len(self.calls), self.path[-1], function, args, kwargs, slots)
        )
        remaining = iter(slots)

        def track(leaf: Any) -> Any:
            return self.tracked(leaf, next(remaining)) if isinstance(leaf, Tensor) else leaf

        return map_leaves(result, track)

    def tracked(self, tensor: Tensor, slot: Slot) -> Tensor:
        """The tensor, whose calls are noted from now on."""
        tracked = tensor if isinstance(tensor, _Tracked) else tensor.as_subclass(_Tracked)
        tracked.recorder, tracked.slot = self, slot
        return tracked

    def frozen(self, leaf: Any) -> Any:
        """The slot of a tracked tensor, anything else as a constant."""
        if isinstance(leaf, _Tracked):
            return leaf.slot
        # A tracer refuses constants that could be trained.
        return leaf.detach() if isinstance(leaf, Tensor) else leaf


class _Tracked(Tensor):
    """A tensor that depends on the input.

    A subclass, because code with kernels of its own looks for one and takes the standard
    operation instead.
    """

    recorder: _Recorder
    slot: Slot

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
        recorder = next(tensor.recorder for tensor in inputs if isinstance(tensor, cls))
        return recorder.note(func, args, kwargs, result)
