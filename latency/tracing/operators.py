"""A network as operators: calls that a runtime may run as one."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from torch import Tensor

from latency.tracing.forward_pass import Call, Trace, Value, tensors_of

_FOLLOWERS = {
    "batch_norm",
    "clamp",
    "elu",
    "gelu",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "leaky_relu",
    "mish",
    "relu",
    "relu6",
    "sigmoid",
    "silu",
    "tanh",
}
"""Functions that a runtime may fuse into what they follow."""

_LINEAR = {
    "addmm",
    "batch_norm",
    "bmm",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose2d",
    "linear",
    "matmul",
}
"""Functions that a runtime may fuse with an addition that follows them."""

_IMPORTANT_ARGUMENTS = {"batch_norm": 1}
"""How many arguments of a function can change its time; all unless it stands here."""

_IRRELEVANT = {"alpha": (1,), "inplace": (False, True), "training": (False,)}
"""Named arguments and those of their values that do not change the time of a deployed network."""


@dataclass(frozen=True)
class Operator:
    """Calls that a runtime may run as one, such as a convolution, its batch norm and its ReLU.

    Attributes:
        key: A text that is the same for operators of the same functions, shapes and attributes.
        calls: The calls, in order.
        inputs: The values that come from outside, in order of use.
        outputs: The values that others use.
    """

    key: str
    calls: tuple[Call, ...]
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]

    @property
    def path(self) -> str:
        """Path of the module that made the first call."""
        return self.calls[0].path

    @property
    def kind(self) -> str:
        """Names of the functions."""
        return " ".join(call.name for call in self.calls)

    @property
    def macs(self) -> int:
        """Multiply-accumulates."""
        return sum(call.macs for call in self.calls)

    @cached_property
    def elements(self) -> int:
        """Numbers that are read or written: inputs, outputs and constants."""
        constants = tensors_of([(call.args, call.kwargs) for call in self.calls])
        shapes = [value.shape for value in (*self.inputs, *self.outputs)]
        return sum(math.prod(shape) for shape in [*shapes, *(tensor.shape for tensor in constants)])


def operators_of(trace: Trace, outputs: Sequence[Value] | None = None) -> tuple[Operator, ...]:
    """Breaks a network into operators, in the order of their first calls.

    Args:
        trace: Of the network.
        outputs: Those of its outputs that are used, all unless given. What no output needs is
            left out, as runtimes drop it.
    """
    wanted = trace.outputs if outputs is None else outputs
    calls = _living(trace, wanted)
    uses = _uses(calls, wanted)
    groups: list[list[Call]] = []
    owner: dict[int, list[Call]] = {}
    for call in calls:
        group = _joined(call, owner, uses)
        if group is None:
            group = []
            groups.append(group)
        group.append(call)
        owner.update((value.index, group) for value in call.results)
    return tuple(_operator(group, uses) for group in groups)


def used_inputs(trace: Trace) -> tuple[bool, ...]:
    """For every input of a network, whether its outputs depend on it."""
    needed = {value.index for value in trace.outputs}
    for call in _living(trace, trace.outputs):
        needed.update(value.index for value in call.inputs)
    return tuple(value.index in needed for value in trace.inputs)


def _living(trace: Trace, outputs: Iterable[Value]) -> list[Call]:
    """The calls that the outputs depend on."""
    needed = {value.index for value in outputs}
    living = []
    for call in reversed(trace.calls):
        if needed.intersection(value.index for value in call.results):
            needed.update(value.index for value in call.inputs)
            living.append(call)
    return living[::-1]


def _uses(calls: Iterable[Call], outputs: Iterable[Value]) -> Counter[int]:
    """By how many calls every value is used; the network's outputs count as used once more."""
    uses = Counter(value.index for value in outputs)
    for call in calls:
        uses.update({value.index for value in call.inputs})
    return uses


def _joined(call: Call, owner: dict[int, list[Call]], uses: Counter[int]) -> list[Call] | None:
    """The group that a call belongs to, if it is one that is there already."""
    only_here = [v for v in call.inputs if v.index in owner and uses[v.index] == 1]
    if call.name in _FOLLOWERS and only_here:
        return owner[only_here[0].index]
    # No runtime fuses a term that it must spread first.
    if call.name == "add" and len({value.shape for value in call.inputs}) == 1:
        for value in reversed(only_here):
            if all(part.name in _LINEAR for part in owner[value.index]):
                return owner[value.index]
    return None


def _operator(calls: list[Call], uses: Counter[int]) -> Operator:
    made = {value.index for call in calls for value in call.results}
    inside = Counter(index for call in calls for index in {v.index for v in call.inputs})
    inputs = dict.fromkeys(v for call in calls for v in call.inputs if v.index not in made)
    results = [value for call in calls for value in call.results]
    outputs = [value for value in results if uses[value.index] > inside[value.index]]
    return Operator(_key(calls), tuple(calls), tuple(inputs), tuple(outputs))


def _key(calls: Iterable[Call]) -> str:
    numbers: dict[int, int] = {}
    return " > ".join(_call_text(call, numbers) for call in calls)


def _call_text(call: Call, numbers: dict[int, int]) -> str:
    """The call with values by number; the shape stands where a value from outside appears first."""
    limit = _IMPORTANT_ARGUMENTS.get(call.name)
    parts = [_text(argument, numbers) for argument in call.args[:limit]]
    if limit is None:
        parts += [
            f"{name}={_text(value, numbers)}"
            for name, value in sorted(call.kwargs.items())
            if value is not None and not _is_irrelevant(name, value)
        ]
    for value in call.results:
        numbers.setdefault(value.index, len(numbers))
    return f"{call.name}({', '.join(parts)})"


def _is_irrelevant(name: str, value: Any) -> bool:
    return isinstance(value, int) and value in _IRRELEVANT.get(name, ())


def _text(argument: Any, numbers: dict[int, int]) -> str:
    if isinstance(argument, Value):
        if argument.index in numbers:
            return f"#{numbers[argument.index]}"
        numbers[argument.index] = len(numbers)
        return _shape_text(argument.shape)
    if isinstance(argument, Tensor):
        return f"constant {_shape_text(tuple(argument.shape))}"
    if isinstance(argument, (list, tuple)):
        parts = [_text(item, numbers) for item in argument]
        # Functions take one number for several equal ones.
        alike = len(set(parts)) == 1 and parts[0].isdigit()
        return parts[0] if alike else f"[{', '.join(parts)}]"
    return str(argument)


def _shape_text(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "scalar"
