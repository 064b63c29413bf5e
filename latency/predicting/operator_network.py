"""Operators as networks of their own, to be measured there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from latency.tracing.forward_pass import Value, map_leaves, tensors_of
from latency.tracing.operators import Operator

_CONTEXT_CHANNELS = 8


class OperatorNetwork(nn.Module):
    """Operators side by side, each between convolutions.

    What an operator costs depends on its neighbours: between convolutions a runtime may keep maps
    in a layout that other operators have to undo. So every map comes from a 1x1 convolution and
    goes to one. The operators share no value.

    Args:
        operators: Number N, from 0, is the submodule `operators.N.operator`.
    """

    def __init__(self, operators: Sequence[Operator]) -> None:
        super().__init__()
        self.operators = nn.ModuleList(_Between(operator) for operator in operators)
        self.input_shapes = [
            _context_shape(value.shape) for operator in operators for value in operator.inputs
        ]
        self._inputs = [len(operator.inputs) for operator in operators]

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """All outputs of all operators."""
        remaining = iter(inputs)
        outputs: list[Tensor] = []
        for number, operator in zip(self._inputs, self.operators, strict=True):
            outputs += operator(*(next(remaining) for _ in range(number)))
        return tuple(outputs)


class RepeatedOperator(nn.Module):
    """One operator, run several times on inputs of its own.

    Args:
        operator: The operator.
        times: How often it is run.
    """

    def __init__(self, operator: Operator, times: int) -> None:
        super().__init__()
        self.operator = Replay(operator)
        self._times = times
        self._inputs = [f"input{number}" for number in range(len(operator.inputs))]
        for name, value in zip(self._inputs, operator.inputs, strict=True):
            self.register_buffer(name, torch.rand(value.shape), persistent=False)

    def forward(self, image: Tensor) -> Tensor:
        """Gives back the image, which is not used."""
        for _ in range(self._times):
            # What an operator writes in place must not grow from run to run.
            self.operator(*(self.get_buffer(name) for name in self._inputs))
        return image


class Replay(nn.Module):
    """An operator with constants drawn at random.

    Args:
        operator: What is replayed.
    """

    def __init__(self, operator: Operator) -> None:
        super().__init__()
        self._calls = [self._prepared(call.args, call.kwargs) for call in operator.calls]
        self._functions = [call.function for call in operator.calls]
        self._results = [call.results for call in operator.calls]
        self._inputs, self._outputs = operator.inputs, operator.outputs

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """The outputs of the operator."""
        values = dict(zip((value.index for value in self._inputs), inputs, strict=True))

        def resolved(leaf: Any) -> Any:
            if isinstance(leaf, _Constant):
                return self.get_buffer(leaf.name)
            return values[leaf.index] if isinstance(leaf, Value) else leaf

        steps = zip(self._functions, self._calls, self._results, strict=True)
        for function, (args, kwargs), results in steps:
            args, kwargs = map_leaves(args, resolved), map_leaves(kwargs, resolved)
            given = function(*args, **kwargs)
            # Writing into a part of a tensor gives nothing back.
            tensors = tensors_of(args[0] if given is None else given)
            values.update(zip((value.index for value in results), tensors, strict=True))
        return tuple(values[value.index] for value in self._outputs)

    def _prepared(self, *arguments: Any) -> Any:
        return map_leaves(arguments, self._drawn)

    def _drawn(self, leaf: Any) -> Any:
        if not isinstance(leaf, Tensor):
            return leaf
        constant = _Constant(f"constant{len(self._buffers)}")
        if leaf.is_floating_point():
            # Variances must be positive, and tiny numbers can be slow.
            drawn = torch.empty(leaf.shape, dtype=leaf.dtype).uniform_(0.1, 1.0)
        else:
            drawn = torch.zeros(leaf.shape, dtype=leaf.dtype)
        self.register_buffer(constant.name, drawn, persistent=False)
        return constant


@dataclass(frozen=True)
class _Constant:
    """Stands for a tensor that does not depend on the input."""

    name: str


class _Between(nn.Module):
    def __init__(self, operator: Operator) -> None:
        super().__init__()
        self.before = nn.ModuleList(_before(value.shape) for value in operator.inputs)
        self.operator = Replay(operator)
        self.after = nn.ModuleList(_after(value.shape) for value in operator.outputs)

    def forward(self, *inputs: Tensor) -> list[Tensor]:
        values = [module(tensor) for module, tensor in zip(self.before, inputs, strict=True)]
        outputs = self.operator(*values)
        return [module(value) for module, value in zip(self.after, outputs, strict=True)]


def _is_map(shape: tuple[int, ...]) -> bool:
    return len(shape) == 4


def _context_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    return (shape[0], _CONTEXT_CHANNELS, *shape[2:]) if _is_map(shape) else shape


def _before(shape: tuple[int, ...]) -> nn.Module:
    if not _is_map(shape):
        return nn.Identity()
    # The activation keeps the operator from being fused into a convolution that is not its own.
    return nn.Sequential(nn.Conv2d(_CONTEXT_CHANNELS, shape[1], 1), nn.LeakyReLU(0.1))


def _after(shape: tuple[int, ...]) -> nn.Module:
    return nn.Conv2d(shape[1], _CONTEXT_CHANNELS, 1) if _is_map(shape) else nn.Identity()
