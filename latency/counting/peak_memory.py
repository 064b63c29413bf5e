"""Peak memory of one forward pass, counted without running the network."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from torch import Tensor, nn

from latency.tracing.forward_pass import Call, Value, tensors_of, trace
from latency.tracing.operators import Operator, operators_of

_FLOAT32_BYTES = 4
_OVERWRITE = {"add", "mul", "sub", "div", "relu", "relu6", "hardtanh", "hardswish", "sigmoid"}
_OVERWRITE |= {"batch_norm", "clamp", "dropout", "elu", "gelu", "hardsigmoid", "silu", "tanh"}
"""Functions whose result may take the place of their argument."""
_VIEWS = {"flatten", "permute", "reshape", "squeeze", "transpose", "unflatten", "unsqueeze", "view"}
"""Functions whose result is their argument, seen in another shape."""


@dataclass(frozen=True)
class Memory:
    """Bytes that one forward pass needs.

    Attributes:
        weights: Of the parameters that the output depends on.
        activations: Of the input, the output and all between them that is in use at once, at most.
    """

    weights: int
    activations: int

    @property
    def peak(self) -> int:
        """Both together."""
        return self.weights + self.activations


def count_memory(model: nn.Module, input_shape: Sequence[int]) -> Memory:
    """Counts the memory of a forward pass in float32; nothing is computed.

    A value takes memory from the operator that makes it to the last one that reads it. Operators
    run in the order of the network, with normalisation, activation and addition fused into the
    convolution before them, as a runtime for deployment does. What a runtime needs besides (its
    code, scratch memory of its kernels, gaps between values) is not counted, so the figure is the
    same on every machine.

    Args:
        model: The whole deployed network; it is not changed.
        input_shape: Shape N, C, H, W of the input.

    Raises:
        LatencyError: If the shape is not four positive integers.
    """
    traced = trace(model, input_shape)
    # An addition that was fused into a convolution may wait for what is computed after that.
    operators = sorted(operators_of(traced), key=_end)
    peak = peak_bytes(
        {_name(value): _bytes(value.shape) for value in traced.inputs},
        [_step(operator) for operator in operators],
        [_name(value) for value in traced.outputs],
    )
    calls = (call for operator in operators for call in operator.calls)
    constants = {id(tensor): tensor for call in calls for tensor in _constants(call)}
    weights = sum(_bytes(tensor.shape) for tensor in constants.values())
    return Memory(weights=weights, activations=peak)


@dataclass(frozen=True)
class Step:
    """Reads values and makes new ones.

    Attributes:
        inputs: Names of the values that it reads.
        outputs: Bytes of the values that it makes, by name.
        overwrites: Those of the inputs whose place an output of the same size may take, as that of
            an activation function may, if no later step reads them.
        is_view: Whether the outputs are the first input seen in another shape, not copied.
    """

    inputs: tuple[str, ...]
    outputs: Mapping[str, int]
    overwrites: tuple[str, ...] = ()
    is_view: bool = False


def peak_bytes(inputs: Mapping[str, int], steps: Sequence[Step], results: Sequence[str]) -> int:
    """Most bytes that are in use at once where a value goes after the last step that reads it.

    Args:
        inputs: Bytes of the values that are there from the start, by name.
        steps: In the order in which they are taken.
        results: Names of the values that must be there at the end.
    """
    return _Heap(inputs, steps, results).peak


def _end(operator: Operator) -> int:
    return max(value.index for value in operator.calls[-1].results)


def _constants(call: Call) -> Iterator[Tensor]:
    tensors = tensors_of((call.args, call.kwargs))
    # Folded into the convolution before it, normalisation leaves one number per channel.
    return islice(tensors, 1) if call.name == "batch_norm" else tensors


def _step(operator: Operator) -> Step:
    others = [call for call in operator.calls if call.name not in _OVERWRITE]
    # A convolution reads its input until its output is done.
    read = {value for call in others for value in call.inputs}
    return Step(
        inputs=tuple(_name(value) for value in operator.inputs),
        outputs={_name(value): _bytes(value.shape) for value in operator.outputs},
        overwrites=tuple(_name(value) for value in operator.inputs if value not in read),
        is_view=operator.kind in _VIEWS,
    )


def _name(value: Value) -> str:
    return str(value.index)


def _bytes(shape: Sequence[int]) -> int:
    return math.prod(shape) * _FLOAT32_BYTES


class _Heap:
    """Storages in use; values that share one are its names."""

    def __init__(
        self, inputs: Mapping[str, int], steps: Sequence[Step], results: Sequence[str]
    ) -> None:
        self._last_use = _last_uses(steps, results)
        self._sizes: dict[str, int] = {}
        self._storage: dict[str, str] = {}
        for name, size in inputs.items():
            self._allocate(name, size)
        self.peak = self._in_use
        for position, step in enumerate(steps):
            self._take(position, step)

    @property
    def _in_use(self) -> int:
        return sum(self._sizes.values())

    def _take(self, position: int, step: Step) -> None:
        for name, size in step.outputs.items():
            storage = self._storage_for(size, position, step)
            if storage is None:
                self._allocate(name, size)
            else:
                self._storage[name] = storage
        self.peak = max(self.peak, self._in_use)
        for storage in [storage for storage in self._sizes if self._dies(storage, position)]:
            del self._sizes[storage]

    def _storage_for(self, size: int, position: int, step: Step) -> str | None:
        """The storage of an input that an output shares, None if it needs its own."""
        if step.is_view:
            return self._storage[step.inputs[0]]
        storages = (self._storage[name] for name in step.overwrites)
        fitting = (storage for storage in storages if self._sizes[storage] == size)
        return next((storage for storage in fitting if self._dies(storage, position)), None)

    def _dies(self, storage: str, position: int) -> bool:
        names = (name for name, owner in self._storage.items() if owner == storage)
        return all(self._last_use.get(name, -1) <= position for name in names)

    def _allocate(self, name: str, size: int) -> None:
        self._storage[name] = name
        self._sizes[name] = size


def _last_uses(steps: Sequence[Step], results: Sequence[str]) -> dict[str, int]:
    uses = {name: position for position, step in enumerate(steps) for name in step.inputs}
    return uses | dict.fromkeys(results, len(steps))
