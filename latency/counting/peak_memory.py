"""Peak memory of one forward pass, counted without running the network."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from torch import Tensor, nn

from latency.counting.liveness import Step, peak_bytes
from latency.tracing.forward_pass import Call, Trace, Value, tensors_of, trace
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
    return memory_of(trace(model, input_shape))


def memory_of(traced: Trace) -> Memory:
    """The same for a forward pass that was followed already."""
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
