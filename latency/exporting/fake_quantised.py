"""An int8 ONNX file as a network that can be trained, and back.

Quantisation stands in the file as QuantizeLinear and DequantizeLinear nodes. Here they round as in
the file and let gradients pass (Jacob et al., Quantization and Training of Neural Networks for
Efficient Integer-Arithmetic-Only Inference, 2018, https://arxiv.org/abs/1712.05877). What is
trained is the graph that onnxruntime executes, so no rounding is at another place in the end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import onnx
import torch
from onnx import NodeProto, numpy_helper
from torch import Tensor, nn

from latency.errors import ExportError
from latency.onnx_files.operators import Operator, UnknownOperatorError, operator

WEIGHT_LIMIT = 64
"""Largest magnitude of a weight: seven of the eight bits, as `latency.quantise_onnx` has them."""
_QUANTISE, _DEQUANTISE = "QuantizeLinear", "DequantizeLinear"
_WEIGHTED = ("Conv", "Gemm", "MatMul")
"""Operators whose second input is a weight, and whose third one a bias."""
_QUANTISED = "_quantized"
"""Ends the name of an integer constant; what is before it is the name of the float one."""
_BIAS_LIMIT = 2**30
_SMALLEST = 1e-12
"""Of a scale: a channel of zeros has one too."""

_Constants = dict[str, np.ndarray]


class FakeQuantised(nn.Module):
    """The network of an int8 ONNX file, with float weights that are rounded in every pass.

    Weights, biases and the scales of activations are trained. The scale of a weight follows from
    it: the largest magnitude in an output channel becomes the largest integer. Zero points stay.

    Args:
        original: The float32 file.
        quantised: What `latency.quantise_onnx` made of it.

    Raises:
        ExportError: If the file has an operator that cannot be trained here.
    """

    def __init__(self, original: Path | str, quantised: Path | str):
        super().__init__()
        self._model = onnx.load(Path(quantised))
        builder = _Builder(_constants(self._model), _constants(onnx.load(Path(original))))
        try:
            for node in self._model.graph.node:
                builder.add(node)
        except UnknownOperatorError as error:
            raise ExportError(
                f"the network cannot be fine-tuned as int8: {error}; leave --qat out."
            ) from error
        self._steps = tuple(builder.steps)
        self._output = self._model.graph.output[0].name
        self._image = next(
            value.name for value in self._model.graph.input if value.name not in builder.constants
        )
        self.weights = nn.ModuleList(builder.weights.values())
        self.biases = nn.ModuleList(builder.biases)
        self.activations = nn.ModuleList(builder.activations.values())
        self._fixed = {name: f"fixed{index}" for index, name in enumerate(builder.fixed)}
        for name, place in self._fixed.items():
            value = torch.from_numpy(np.array(builder.fixed[name]))
            self.register_buffer(place, value, persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Logits of normalised images N x channels x H x W."""
        values: dict[str, Tensor | None] = {"": None, self._image: images}
        values |= {name: self.get_buffer(place) for name, place in self._fixed.items()}
        for step in self._steps:
            found = step.compute([values[name] for name in step.inputs])
            results = found if isinstance(found, tuple) else (found,)
            values.update(zip(step.outputs, results, strict=False))
        logits = values[self._output]
        assert logits is not None
        return logits

    def write(self, path: Path | str) -> None:
        """Writes the int8 file with weights, biases and scales as they are now."""
        parts: Iterable[_Part] = (*self.weights, *self.biases, *self.activations)
        written: _Constants = {}
        with torch.no_grad():
            for part in parts:
                written |= {name: value.cpu().numpy() for name, value in part.constants().items()}
        model = onnx.ModelProto()
        model.CopyFrom(self._model)
        for tensor in model.graph.initializer:
            if tensor.name in written:
                known = numpy_helper.to_array(tensor)
                found = written[tensor.name].astype(known.dtype).reshape(known.shape)
                tensor.CopyFrom(numpy_helper.from_array(found, tensor.name))
        onnx.save(model, Path(path))


class _Part(Protocol):
    """Something that is trained, and stands in the file as constants."""

    def constants(self) -> dict[str, Tensor]:
        """What the file holds for it, by the names of its constants."""


class _Activation(nn.Module):
    """Rounds a tensor to integers of a scale, whose logarithm is trained.

    Args:
        name: Of the scale.
        scale: Where training begins.
        zero: The zero point, whose type tells the integers.
    """

    def __init__(self, name: str, scale: np.ndarray, zero: np.ndarray):
        super().__init__()
        self._name = name
        limits = np.iinfo(zero.dtype)
        zero_point = int(zero.reshape(-1)[0])
        self._lowest, self._highest = limits.min - zero_point, limits.max - zero_point
        # A step of the optimiser then changes every scale by the same share.
        self.logarithm = nn.Parameter(torch.tensor(float(scale.reshape(-1)[0])).log())

    def forward(self, values: Tensor) -> Tensor:
        scale = self.logarithm.exp()
        rounded: Tensor = _Rounded.apply(values, scale, self._lowest, self._highest)
        return rounded

    @property
    def scale(self) -> Tensor:
        """One number."""
        return self.logarithm.detach().exp()

    def constants(self) -> dict[str, Tensor]:
        return {self._name: self.scale}


class _Bias(nn.Module):
    """The bias of a convolution or a product: integers of the product of two scales.

    They are of 32 bits, so that there is nothing to round in training.

    Args:
        names: Of the integers and of their scale.
        values: The float bias.
        image: What the weight is multiplied with.
        weight: The weight.
    """

    def __init__(
        self, names: tuple[str, str], values: np.ndarray, image: _Activation, weight: _Weight
    ):
        super().__init__()
        self._names = names
        self.values = nn.Parameter(torch.from_numpy(values.copy()))
        # A tuple hides the modules, which are parts of the network already.
        self._others = (image, weight)
        weight.biases.append(self)

    def forward(self) -> Tensor:
        return self.values

    def smallest_scale(self) -> Tensor:
        """The smallest scales of the weight with which the integers are of 32 bits."""
        return self.values.detach().abs() / (self._others[0].scale * _BIAS_LIMIT)

    def constants(self) -> dict[str, Tensor]:
        image, weight = self._others
        integers, name = self._names
        scale = (image.scale * weight.scale()).double()
        return {integers: (self.values.double() / scale).round(), name: scale.float()}


class _Weight(nn.Module):
    """The weight of a convolution or a product, rounded.

    Args:
        names: Of the integers and of their scale.
        values: The float weight.
        axis: Of the output channels; None where the whole weight has one scale.
    """

    def __init__(self, names: tuple[str, str], values: np.ndarray, axis: int | None):
        super().__init__()
        self._names, self._axis = names, axis
        self.values = nn.Parameter(torch.from_numpy(values.copy()))
        self.biases: list[_Bias] = []

    def forward(self) -> Tensor:
        scale = self._broadcast(self.scale())
        rounded = (self.values.detach() / scale).round().clamp(-WEIGHT_LIMIT, WEIGHT_LIMIT) * scale
        # Straight through: no weight is beyond the largest integer.
        return self.values + (rounded - self.values.detach())

    def scale(self) -> Tensor:
        """A number for each output channel, or one."""
        values = self.values.detach().abs()
        others = [axis for axis in range(values.dim()) if axis != self._axis]
        scale = (values.amax(others) / WEIGHT_LIMIT).clamp_min(_SMALLEST)
        for bias in self.biases:
            smallest = bias.smallest_scale()
            scale = torch.maximum(scale, smallest if scale.dim() else smallest.amax())
        return scale

    def constants(self) -> dict[str, Tensor]:
        integers, name = self._names
        scale = self.scale()
        values = (self.values / self._broadcast(scale)).round()
        return {integers: values.clamp(-WEIGHT_LIMIT, WEIGHT_LIMIT), name: scale}

    def _broadcast(self, scale: Tensor) -> Tensor:
        if self._axis is None:
            return scale
        shape = [-1 if axis == self._axis else 1 for axis in range(self.values.dim())]
        return scale.reshape(shape)


class _Rounded(torch.autograd.Function):
    """Values as integers of a scale, which has a gradient too.

    Esser et al., Learned Step Size Quantization, 2020, https://arxiv.org/abs/1902.08153.
    """

    @staticmethod
    def forward(ctx: Any, values: Tensor, scale: Tensor, lowest: int, highest: int) -> Tensor:
        # torch.fake_quantize_per_tensor_affine takes 4 to 12 times as long on a CPU.
        found = values.div(scale).round_().clamp_(lowest, highest).mul_(scale)
        ctx.save_for_backward(values, scale, found)
        ctx.limits = lowest, highest
        return found

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None, None]:
        (gradient,) = gradients
        values, scale, found = ctx.saved_tensors
        lowest, highest = ctx.limits
        step = float(scale)
        # The gradient where the value is within the limits, and 0 elsewhere.
        passed = torch.ops.aten.hardtanh_backward(
            gradient, values, (lowest - 0.5) * step, (highest + 0.5) * step
        )
        # Within the limits the error of rounding over the scale, beyond them the limit.
        slope = (gradient * found).addcmul_(passed, values, value=-1).sum()
        share = 1 / (values.numel() * max(highest, -lowest)) ** 0.5
        return passed, slope / scale * share, None, None


@dataclass(frozen=True)
class _Step:
    """A node: names of its inputs and outputs, and what it computes of the inputs."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    compute: Callable[[Sequence[Tensor | None]], Any]


@dataclass
class _Builder:
    """Takes the nodes of an int8 file one after the other.

    Attributes:
        constants: Of the file.
        floats: Those of the float32 file.
        steps: What the nodes compute, in order.
        activations: By the name of their scale: nodes that do not change it share it.
        weights: By the name of the dequantised weight.
        biases: Of the convolutions and products.
        fixed: Constants that are not trained.
    """

    constants: _Constants
    floats: _Constants
    steps: list[_Step] = field(default_factory=list)
    activations: dict[str, _Activation] = field(default_factory=dict)
    weights: dict[str, _Weight] = field(default_factory=dict)
    biases: list[_Bias] = field(default_factory=list)
    fixed: _Constants = field(default_factory=dict)
    _dequantised: dict[str, NodeProto] = field(default_factory=dict)

    def add(self, node: NodeProto) -> None:
        """Takes a node.

        Raises:
            UnknownOperatorError: If it cannot be trained.
        """
        outputs = tuple(node.output)
        if node.op_type == _QUANTISE:
            value, scale, zero = node.input
            if scale not in self.activations:
                found = _Activation(scale, self.constants[scale], self.constants[zero])
                self.activations[scale] = found
            self._step(value, outputs, self.activations[scale])
        elif node.op_type == _DEQUANTISE:
            self._dequantised[node.output[0]] = node
            if node.input[0] not in self.constants:
                self._step(node.input[0], outputs, _same)
        else:
            function, attributes = operator(node.op_type), _attributes(node)
            for place, name in enumerate(node.input):
                if name in self._dequantised and self._of_constant(name):
                    self._constant(node, place, name)
                elif name in self.constants:
                    self.fixed[name] = self.constants[name]
            compute = partial(_call, function, attributes)
            self.steps.append(_Step(tuple(node.input), outputs, compute))

    def _of_constant(self, name: str) -> bool:
        return self._dequantised[name].input[0] in self.constants

    def _constant(self, node: NodeProto, place: int, name: str) -> None:
        """A dequantised constant, before the node that takes it."""
        maker = self._dequantised[name]
        integers, scale, _ = maker.input
        if name in self.weights or name in self.fixed:
            return
        kind = self.constants[integers].dtype
        weighted = node.op_type in _WEIGHTED
        if weighted and place == 1 and kind == np.int8:
            axis = _attributes(maker).get("axis", 1) if self.constants[scale].size > 1 else None
            values = self._float_values(maker)
            self.weights[name] = _Weight((integers, scale), values, axis)
            self.steps.append(_Step((), (name,), partial(_run, self.weights[name])))
        elif weighted and place == 2 and kind == np.int32:
            image = self.activations[self._dequantised[node.input[0]].input[1]]
            weight = self.weights[node.input[1]]
            bias = _Bias((integers, scale), self._float_values(maker), image, weight)
            self.biases.append(bias)
            self.steps.append(_Step((), (name,), partial(_run, bias)))
        else:
            self.fixed[name] = _dequantised(maker, self.constants)

    def _float_values(self, maker: NodeProto) -> np.ndarray:
        """A constant as it was before it was quantised."""
        known = self.floats.get(maker.input[0].removesuffix(_QUANTISED))
        found = _dequantised(maker, self.constants)
        return known if known is not None and known.shape == found.shape else found

    def _step(self, name: str, outputs: tuple[str, ...], function: nn.Module | Any) -> None:
        self.steps.append(_Step((name,), outputs, partial(_apply, function)))


def _apply(function: Callable[[Tensor | None], Any], inputs: Sequence[Tensor | None]) -> Any:
    return function(inputs[0])


def _run(function: Callable[[], Any], inputs: Sequence[Tensor | None]) -> Any:
    return function()


def _call(function: Operator, attributes: dict[str, Any], inputs: Sequence[Tensor | None]) -> Any:
    return function(inputs, attributes)


def _same(value: Tensor) -> Tensor:
    return value


def _constants(model: onnx.ModelProto) -> _Constants:
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


def _attributes(node: NodeProto) -> dict[str, Any]:
    return {one.name: onnx.helper.get_attribute_value(one) for one in node.attribute}


def _dequantised(maker: NodeProto, constants: _Constants) -> np.ndarray:
    integers, scale, zero = (constants[name] for name in maker.input)
    axis = _attributes(maker).get("axis", 1)
    if scale.size > 1:
        shape = [-1 if place == axis else 1 for place in range(integers.ndim)]
        scale, zero = scale.reshape(shape), zero.reshape(shape)
    values = integers.astype(np.float32) - zero.astype(np.float32)
    return (values * scale).astype(np.float32)
