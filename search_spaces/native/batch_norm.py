"""Batch normalisation with ReLU in training mode, as one native kernel on a CPU."""

from __future__ import annotations

import ctypes
from typing import Any

import torch
from torch import Tensor

from search_spaces.native import library
from search_spaces.native.conditions import is_replaceable


def is_supported(images: Tensor, weight: Tensor, bias: Tensor) -> bool:
    """Whether `batch_norm_relu` can take these tensors, here and now, and is faster.

    It uses one thread.
    """
    return (
        torch.get_num_threads() == 1
        and is_replaceable(images, weight, bias)
        and library.load() is not None
    )


def batch_norm_relu(
    images: Tensor, weight: Tensor, bias: Tensor, epsilon: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Normalises with the statistics of the batch, scales, shifts, and drops what is negative.

    Args:
        images: Maps of shape N x C x H x W that are supported, with N x H x W above 1.
        weight: C factors.
        bias: C summands.
        epsilon: Added to the variance.

    Returns:
        Maps of shape N x C x H x W in channels-last order, equal to PyTorch's to rounding, and the
        mean and the biased variance of every channel, which have no gradient.
    """
    maps, mean, variance = _BatchNormReLU.apply(images, weight, bias, epsilon)
    return maps, mean, variance


class _BatchNormReLU(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, images: Tensor, weight: Tensor, bias: Tensor, epsilon: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        images = images.contiguous(memory_format=torch.channels_last)
        output = torch.empty_like(images)
        mean, variance = torch.empty_like(weight), torch.empty_like(weight)
        _call("batch_norm_relu", (images, weight, bias, output, mean, variance), images, epsilon)
        ctx.save_for_backward(images, weight, bias, mean, variance)
        ctx.epsilon = epsilon
        ctx.mark_non_differentiable(mean, variance)
        ctx.set_materialize_grads(False)
        return output, mean, variance

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *deltas: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        images, weight, bias, mean, variance = ctx.saved_tensors
        delta = deltas[0].contiguous(memory_format=torch.channels_last)
        gradients = torch.empty_like(images), torch.empty_like(weight), torch.empty_like(weight)
        tensors = (delta, images, weight, bias, mean, variance, *gradients)
        _call("batch_norm_relu_backward", tensors, images, ctx.epsilon)
        return *gradients, None


class _Rows(ctypes.Structure):
    _fields_ = [("positions", ctypes.c_int64), ("channels", ctypes.c_int64)]


def _call(name: str, tensors: tuple[Tensor, ...], images: Tensor, epsilon: float) -> None:
    channels = images.shape[1]
    pointers = (ctypes.c_void_p(tensor.data_ptr()) for tensor in tensors)
    rows = _Rows(images.numel() // channels, channels)
    if getattr(library.load(), name)(*pointers, rows, ctypes.c_double(epsilon)):
        raise MemoryError("not enough memory for batch normalisation.")
