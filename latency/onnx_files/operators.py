"""ONNX operators as functions of PyTorch: those that exported networks have."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn import functional as F

Attributes = Mapping[str, Any]
Operator = Callable[[Sequence[Tensor | None], Attributes], Any]
"""Maps the inputs of a node, None where one is left out, and its attributes to its outputs."""


class UnknownOperatorError(ValueError):
    """A node that has no counterpart here; the message says which."""


def operator(name: str) -> Operator:
    """The function of an operator.

    Raises:
        UnknownOperatorError: If there is none.
    """
    if name not in _OPERATORS:
        raise UnknownOperatorError(f"the operator {name} is not known")
    return _OPERATORS[name]


def _plain(function: Callable[..., Tensor]) -> Operator:
    return lambda inputs, attributes: function(*inputs)


def _sides(pads: Sequence[int]) -> list[int]:
    """Padding as PyTorch's `pad` takes it: the last axis first, begin before end."""
    half = len(pads) // 2
    return [side for axis in reversed(range(half)) for side in (pads[axis], pads[axis + half])]


def _padded(image: Tensor, attributes: Attributes, value: float = 0.0) -> tuple[Tensor, Any]:
    """An image and the padding that is left to the operator, the same on both sides of an axis."""
    if attributes.get("auto_pad", b"NOTSET") not in (b"NOTSET", b"VALID"):
        raise UnknownOperatorError(f"padding {attributes['auto_pad'].decode()} is not known")
    axes = image.dim() - 2
    pads = attributes.get("pads", [0] * 2 * axes)
    if pads[:axes] == pads[axes:]:
        return image, tuple(pads[:axes])
    return F.pad(image, _sides(pads), value=value), 0


def _conv(inputs: Sequence[Tensor | None], attributes: Attributes) -> Tensor:
    image, weight, bias = (*inputs, None)[:3]
    assert image is not None and weight is not None
    image, padding = _padded(image, attributes)
    axes = image.dim() - 2
    return torch.convolution(
        image,
        weight,
        bias,
        attributes.get("strides", [1] * axes),
        [padding] * axes if isinstance(padding, int) else padding,
        attributes.get("dilations", [1] * axes),
        False,
        [0] * axes,
        attributes.get("group", 1),
    )


def _max_pool(inputs: Sequence[Tensor | None], attributes: Attributes) -> Tensor:
    image, padding = _padded(cast(Tensor, inputs[0]), attributes, float("-inf"))
    return F.max_pool2d(
        image,
        attributes["kernel_shape"],
        attributes.get("strides", [1, 1]),
        padding,
        attributes.get("dilations", [1, 1]),
        bool(attributes.get("ceil_mode", 0)),
    )


def _average_pool(inputs: Sequence[Tensor | None], attributes: Attributes) -> Tensor:
    counted = bool(attributes.get("count_include_pad", 0))
    image, padding = cast(Tensor, inputs[0]), attributes.get("pads", [0, 0, 0, 0])
    if padding[:2] != padding[2:]:
        if not counted:
            raise UnknownOperatorError("average pooling with uneven padding is not known")
        image, padding = F.pad(image, _sides(padding)), [0, 0]
    return F.avg_pool2d(
        image,
        attributes["kernel_shape"],
        attributes.get("strides", [1, 1]),
        padding[:2],
        bool(attributes.get("ceil_mode", 0)),
        counted,
    )


def _batch_norm(inputs: Sequence[Tensor | None], attributes: Attributes) -> Tensor:
    image, scale, shift, mean, variance = (cast(Tensor, one) for one in inputs)
    return F.batch_norm(image, mean, variance, scale, shift, eps=attributes.get("epsilon", 1e-5))


def _layer_norm(inputs: Sequence[Tensor | None], attributes: Attributes) -> Tensor:
    values, scale, shift = (*inputs, None)[:3]
    assert values is not None
    shape = values.shape[attributes.get("axis", -1) :]
    return F.layer_norm(values, shape, scale, shift, attributes.get("epsilon", 1e-5))


def _gemm(inputs: Sequence[Tensor | None], attributes: Attributes) -> Tensor:
    first, second, added = (*inputs, None)[:3]
    assert first is not None and second is not None
    first = first.T if attributes.get("transA", 0) else first
    second = second.T if attributes.get("transB", 0) else second
    product = attributes.get("alpha", 1.0) * (first @ second)
    return product if added is None else product + attributes.get("beta", 1.0) * added


def _resize(inputs: Sequence[Tensor | None], attributes: Attributes) -> Tensor:
    image, _, scales, sizes = (*inputs, None, None, None)[:4]
    assert image is not None
    if sizes is not None:
        size = [int(one) for one in sizes[2:]]
    else:
        assert scales is not None
        factors = scales[2:].tolist()
        size = [int(side * by) for side, by in zip(image.shape[2:], factors, strict=True)]
    mode = attributes.get("mode", b"nearest").decode()
    how = attributes.get("coordinate_transformation_mode", b"half_pixel").decode()
    if mode == "linear" and how in ("half_pixel", "pytorch_half_pixel", "align_corners"):
        corners = how == "align_corners"
        return F.interpolate(image, size=size, mode="bilinear", align_corners=corners)
    if mode == "nearest" and how == "asymmetric":
        return F.interpolate(image, size=size, mode="nearest")
    raise UnknownOperatorError(f"resizing by {mode} with {how} is not known")


def _reshape(inputs: Sequence[Tensor | None], attributes: Attributes) -> Tensor:
    values, target = (cast(Tensor, one) for one in inputs)
    shape = [values.shape[axis] if size == 0 else size for axis, size in enumerate(target.tolist())]
    # Traced for one image: the first size is their number.
    if shape and shape[0] == 1 and values.shape[0] != 1:
        shape[0] = values.shape[0]
    return values.reshape(shape)


def _expand(inputs: Sequence[Tensor | None], attributes: Attributes) -> Tensor:
    values, target = (cast(Tensor, one) for one in inputs)
    return values.expand(torch.broadcast_shapes(values.shape, tuple(target.tolist())))


def _slice(inputs: Sequence[Tensor | None], attributes: Attributes) -> Tensor:
    values, starts, ends, axes, steps = (*inputs, None, None)[:5]
    assert values is not None and starts is not None and ends is not None
    count = len(starts)
    found = [slice(None)] * values.dim()
    named = range(count) if axes is None else axes.tolist()
    strides = [1] * count if steps is None else steps.tolist()
    for axis, start, end, step in zip(named, starts.tolist(), ends.tolist(), strides, strict=True):
        if step < 1:
            raise UnknownOperatorError("a slice that goes backwards is not known")
        found[axis] = slice(start, end, step)
    return values[tuple(found)]


def _split(inputs: Sequence[Tensor | None], attributes: Attributes) -> tuple[Tensor, ...]:
    values, sizes = (*inputs, None)[:2]
    assert values is not None
    axis = attributes.get("axis", 0)
    if sizes is None:
        raise UnknownOperatorError("a split without sizes is not known")
    return values.split(sizes.tolist(), axis)


def _reduce_mean(inputs: Sequence[Tensor | None], attributes: Attributes) -> Tensor:
    values, axes = (*inputs, None)[:2]
    assert values is not None
    named = attributes.get("axes") if axes is None else axes.tolist()
    kept = bool(attributes.get("keepdims", 1))
    return values.mean(dim=named or tuple(range(values.dim())), keepdim=kept)


def _hard_sigmoid(inputs: Sequence[Tensor | None], attributes: Attributes) -> Tensor:
    slope, shift = attributes.get("alpha", 0.2), attributes.get("beta", 0.5)
    return (slope * cast(Tensor, inputs[0]) + shift).clamp(0, 1)


def _clip(inputs: Sequence[Tensor | None], attributes: Attributes) -> Tensor:
    values, low, high = (*inputs, None, None)[:3]
    return torch.clamp(cast(Tensor, values), low, high)


def _squeeze(inputs: Sequence[Tensor | None], attributes: Attributes) -> Tensor:
    values, axes = (cast(Tensor, one) for one in inputs)
    return values.squeeze(tuple(axes.tolist()))


def _unsqueeze(inputs: Sequence[Tensor | None], attributes: Attributes) -> Tensor:
    values, axes = (cast(Tensor, one) for one in inputs)
    for axis in sorted(axes.tolist()):
        values = values.unsqueeze(axis)
    return values


def _gather(inputs: Sequence[Tensor | None], attributes: Attributes) -> Tensor:
    values, places = (cast(Tensor, one) for one in inputs)
    axis = attributes.get("axis", 0)
    if places.dim() > 1:
        raise UnknownOperatorError("gathering by a table of places is not known")
    found = values.index_select(axis, places.reshape(-1))
    return found if places.dim() else found.squeeze(axis)


_OPERATORS: dict[str, Operator] = {
    "Add": _plain(torch.add),
    "AveragePool": _average_pool,
    "BatchNormalization": _batch_norm,
    "Clip": _clip,
    "Concat": lambda inputs, attributes: torch.cat(
        [cast(Tensor, one) for one in inputs], attributes["axis"]
    ),
    "Conv": _conv,
    "Div": _plain(torch.div),
    "Erf": _plain(torch.erf),
    "Expand": _expand,
    "Flatten": lambda inputs, attributes: cast(Tensor, inputs[0]).flatten(
        attributes.get("axis", 1)
    ),
    "Gather": _gather,
    "Gemm": _gemm,
    "GlobalAveragePool": lambda inputs, attributes: cast(Tensor, inputs[0]).mean(
        (2, 3), keepdim=True
    ),
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": _plain(F.hardswish),
    "Identity": _plain(lambda values: values),
    "LayerNormalization": _layer_norm,
    "LeakyRelu": lambda inputs, attributes: F.leaky_relu(
        cast(Tensor, inputs[0]), attributes.get("alpha", 0.01)
    ),
    "MatMul": _plain(torch.matmul),
    "MaxPool": _max_pool,
    "Mul": _plain(torch.mul),
    "PRelu": _plain(lambda values, slope: torch.where(values < 0, slope * values, values)),
    "Pow": _plain(torch.pow),
    "ReduceMean": _reduce_mean,
    "Relu": _plain(torch.relu),
    "Reshape": _reshape,
    "Resize": _resize,
    "Sigmoid": _plain(torch.sigmoid),
    "Slice": _slice,
    "Softmax": lambda inputs, attributes: torch.softmax(
        cast(Tensor, inputs[0]), attributes.get("axis", -1)
    ),
    "Split": _split,
    "Sqrt": _plain(torch.sqrt),
    "Squeeze": _squeeze,
    "Sub": _plain(torch.sub),
    "Tanh": _plain(torch.tanh),
    "Transpose": lambda inputs, attributes: cast(Tensor, inputs[0]).permute(attributes["perm"]),
    "Unsqueeze": _unsqueeze,
}
