"""Functions replaced by the shape of their result, and convolutions by their FLOPs too."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode


class ShapesOnly(TorchFunctionMode):
    """Skips normalisation, activations, resizing and plain 2D convolutions on the meta device.

    Their meta kernels are written in Python and take most of the time of a count, and every
    candidate of a search is counted.

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
        if func is torch.conv2d:
            return self._convolve(*args, **(kwargs or {}))
        return _REPLACEMENTS.get(func, func)(*args, **(kwargs or {}))

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
        if isinstance(padding, str) or input.dim() != 4 or weight.dim() != 4:
            return torch.conv2d(input, weight, bias, stride, padding, dilation, groups)
        steps, margins, spread = _pair(stride), _pair(padding), _pair(dilation)
        channels, depth, *kernel = weight.shape
        spatial = [
            (size + 2 * margin - gap * (taps - 1) - 1) // step + 1
            for size, margin, gap, taps, step in zip(
                input.shape[2:], margins, spread, kernel, steps, strict=True
            )
        ]
        if input.shape[1] != depth * groups or min(spatial) < 1:
            # For the message.
            return torch.conv2d(input, weight, bias, steps, margins, spread, groups)
        output = input.new_empty((input.shape[0], channels, *spatial))
        self.flops += 2 * output.numel() * depth * kernel[0] * kernel[1]
        return output


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
    spatial = (size,) * (input.dim() - 2) if isinstance(size, int) else tuple(size)
    return input.new_empty((*input.shape[:2], *spatial))


_REPLACEMENTS: dict[Callable[..., Any], Callable[..., Any]] = {
    functional.batch_norm: _same_shape,
    functional.hardtanh: _same_shape,
    functional.relu: _same_shape,
    functional.relu6: _same_shape,
    torch.relu: _same_shape,
    functional.interpolate: _interpolate,
}
