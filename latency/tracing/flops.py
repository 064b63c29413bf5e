"""FLOPs of a forward pass on the meta device, counted without computing anything."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch._ops import OpOverload
from torch.nn import functional
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

_aten = torch.ops.aten


def _matrix_vector(matrix: Tensor, vector: Tensor, *_: Any, **__: Any) -> int:
    return 2 * matrix.numel()


_FORMULAS = {
    **flop_registry,
    # These are not in torch's registry.
    _aten.mv: _matrix_vector,
    _aten.addmv: lambda bias, matrix, vector, *_, **__: 2 * matrix.numel(),
    _aten.dot: _matrix_vector,
    _aten.vdot: _matrix_vector,
}


class Flops(TorchDispatchMode):
    """Adds up what torch's formulas say, as `torch.utils.flop_counter.FlopCounterMode` does.

    That counter follows modules too, which takes longer than the counting, and it does not know
    products with a vector.

    Attributes:
        total: FLOPs so far.
    """

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def __torch_dispatch__(
        self,
        func: OpOverload,
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        formula = _FORMULAS.get(func._overloadpacket)
        if formula is None and func._can_decompose():
            # For what is made of operations that have one, such as a linear layer.
            with self:
                result = func.decompose(*args, **kwargs)
            if result is not NotImplemented:
                return result
        result = func(*args, **kwargs)
        if formula is not None:
            self.total += formula(*args, **kwargs, out_val=result)
        return result


class ShapesOnly(TorchFunctionMode):
    """Skips what most networks are made of on the meta device.

    That is normalisation, activations, resizing, plain 2D convolutions, sums, concatenations and
    global means. Their meta kernels are written in Python and take most of the time of a count,
    and every candidate of a search is counted.

    Attributes:
        flops: Of the convolutions that were skipped.
    """

    def __init__(self) -> None:
        super().__init__()
        self.flops = 0

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        if func in QUESTIONS:
            with torch._C.DisableTorchFunction():
                return func(*args, **(kwargs or {}))
        return self.result_of(func, args, kwargs or {})

    def result_of(
        self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """What a function gives, on the meta device."""
        if function is torch.conv2d:
            return self._convolve(*args, **kwargs)
        return _REPLACEMENTS.get(function, function)(*args, **kwargs)

    def _convolve(
        self,
        input: Tensor,
        weight: Tensor,
        bias: Tensor | None = None,
        stride: int | Sequence[int] = 1,
        padding: str | int | Sequence[int] = 0,
        dilation: int | Sequence[int] = 1,
        groups: int = 1,
    ) -> Tensor:
        images, kernels = _shape(input), _shape(weight)
        if isinstance(padding, str) or len(images) != 4 or len(kernels) != 4:
            return torch.conv2d(input, weight, bias, stride, padding, dilation, groups)
        steps, margins, spread = _pair(stride), _pair(padding), _pair(dilation)
        channels, depth, *kernel = kernels
        spatial = [
            (size + 2 * margin - gap * (taps - 1) - 1) // step + 1
            for size, margin, gap, taps, step in zip(
                images[2:], margins, spread, kernel, steps, strict=True
            )
        ]
        if images[1] != depth * groups or min(spatial) < 1:
            # For the message.
            return torch.conv2d(input, weight, bias, steps, margins, spread, groups)
        output = (images[0], channels, *spatial)
        self.flops += 2 * _elements(output) * depth * kernel[0] * kernel[1]
        return hollow(input, output)


QUESTIONS = frozenset(
    {
        torch.Tensor.shape.__get__,  # type: ignore[attr-defined]
        torch.Tensor.dtype.__get__,  # type: ignore[attr-defined]
        torch.Tensor.device.__get__,
        torch.Tensor.is_cuda.__get__,  # type: ignore[attr-defined]
        torch.Tensor.is_meta.__get__,  # type: ignore[attr-defined]
        torch.Tensor.ndim.__get__,  # type: ignore[attr-defined]
        torch.Tensor.requires_grad.__get__,  # type: ignore[attr-defined]
        torch.Tensor.__len__,
        torch.Tensor.dim,
        torch.Tensor.is_floating_point,
        torch.Tensor.numel,
        torch.Tensor.size,
    }
)
"""Functions that ask a tensor something and give no tensor."""


def hollow(like: Tensor, shape: Sequence[int]) -> Tensor:
    """A tensor of the meta device that no mode hears of."""
    with torch._C.DisableTorchFunction(), torch._C._DisableTorchDispatch():
        return torch.empty(shape, dtype=like.dtype, device="meta")


def _shape(tensor: Tensor) -> tuple[int, ...]:
    with torch._C.DisableTorchFunction():
        return tuple(tensor.shape)


def _elements(shape: Sequence[int]) -> int:
    total = 1
    for size in shape:
        total *= size
    return total


def _pair(value: int | Sequence[int]) -> tuple[int, ...]:
    if isinstance(value, int):
        return (value, value)
    return tuple(value) * (2 if len(value) == 1 else 1)


def _same_shape(image: Tensor, *_: Any, **__: Any) -> Tensor:
    return image


def _interpolate(
    input: Tensor, size: int | Sequence[int] | None = None, *args: Any, **kwargs: Any
) -> Tensor:
    if size is None:
        return functional.interpolate(input, None, *args, **kwargs)
    batch, channels, *image = _shape(input)
    spatial = (size,) * len(image) if isinstance(size, int) else tuple(size)
    return hollow(input, (batch, channels, *spatial))


def _add(first: Any, second: Any, **kwargs: Any) -> Any:
    if isinstance(first, Tensor) and isinstance(second, Tensor) and "out" not in kwargs:
        left, right = _shape(first), _shape(second)
        if first.dtype == second.dtype and len(left) == len(right):
            pairs = list(zip(left, right, strict=True))
            if all(a == b or 1 in (a, b) for a, b in pairs):
                # 1 gives way, to 0 as well.
                return hollow(first, [b if a == 1 else a for a, b in pairs])
    return torch.add(first, second, **kwargs)


def _concatenate(tensors: tuple[Tensor, ...] | list[Tensor], dim: int = 0, **kwargs: Any) -> Tensor:
    shapes = [_shape(tensor) for tensor in tensors]
    alike = {(*shape[:dim], None, *shape[dim + 1 :]) for shape in shapes} if dim >= 0 else set()
    if len(alike) != 1 or dim >= len(shapes[0]) or len({t.dtype for t in tensors}) > 1 or kwargs:
        return torch.cat(tensors, dim, **kwargs)
    total = sum(shape[dim] for shape in shapes)
    return hollow(tensors[0], (*shapes[0][:dim], total, *shapes[0][dim + 1 :]))


def _mean(input: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    shape = _shape(input)
    if len(shape) != 4 or args != ((2, 3),) or kwargs != {"keepdim": True}:
        return torch.mean(input, *args, **kwargs)
    return hollow(input, (*shape[:2], 1, 1))


_REPLACEMENTS: dict[Callable[..., Any], Callable[..., Any]] = {
    functional.batch_norm: _same_shape,
    functional.hardtanh: _same_shape,
    functional.relu: _same_shape,
    functional.relu6: _same_shape,
    functional.interpolate: _interpolate,
    torch.add: _add,
    torch.cat: _concatenate,
    torch.relu: _same_shape,
    torch.Tensor.__add__: _add,
    torch.Tensor.add: _add,
    torch.Tensor.mean: _mean,
}
