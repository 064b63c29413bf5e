"""Convolutions that skip work without changing a result."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from search_spaces.fastnas.feature_map import FeatureMap
from search_spaces.native import batch_norm, convolution, depthwise


class CroppedConv2d(nn.Conv2d):
    """A k×k convolution of stride 1 with zero padding that keeps the extent.

    A tap whose offset is not smaller than the map reads padding alone, at every pixel. Such taps
    are left out, which changes neither the output nor a gradient: a dilation of 12 on an 8×8 map
    leaves a 1×1 convolution.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        kernel: Side of the kernel, odd.
        dilation: Distance of neighbouring taps, in pixels.
        groups: Groups of channels; as many as channels for a depthwise convolution.
        bias: Whether a bias is added.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int,
        dilation: int = 1,
        groups: int = 1,
        bias: bool = False,
    ) -> None:
        super().__init__(
            in_channels,
            out_channels,
            kernel,
            padding=dilation * (kernel // 2),
            dilation=dilation,
            groups=groups,
            bias=bias,
        )

    def reach(self, size: tuple[int, int]) -> tuple[int, int]:
        """How many taps on each side of the centre act on a map of this extent (H, W)."""
        height, width = size
        side = self.kernel_size[0] // 2
        dilation = self.dilation[0]
        return min(side, (height - 1) // dilation), min(side, (width - 1) // dilation)

    def centre(self) -> Tensor:
        """The weight of the centre tap, out × in/groups × 1 × 1."""
        return self._cropped((0, 0))

    def forward(self, values: Tensor) -> Tensor:
        """Maps N×C×H×W to N×C'×H×W."""
        if self._is_depthwise and depthwise.is_supported(values, self.weight):
            return depthwise.depthwise_conv2d(values, self.weight, self.dilation[0])
        reach = self.reach((values.shape[2], values.shape[3]))
        dilation = self.dilation[0]
        padding = (reach[0] * dilation, reach[1] * dilation)
        # A dilation of a single tap means nothing, but keeps some kernels from the fast path.
        spread = (dilation if reach[0] else 1, dilation if reach[1] else 1)
        weight = self._cropped(reach)
        if self.groups == 1 and convolution.is_supported(values, weight):
            return convolution.conv2d(values, weight, self.bias, spread)
        return F.conv2d(values, weight, self.bias, 1, padding, spread, self.groups)

    @property
    def _is_depthwise(self) -> bool:
        return self.groups == self.in_channels == self.out_channels and self.bias is None

    def _cropped(self, reach: tuple[int, int]) -> Tensor:
        side = self.kernel_size[0] // 2
        if reach == (side, side):
            return self.weight
        rows = slice(side - reach[0], side + reach[0] + 1)
        columns = slice(side - reach[1], side + reach[1] + 1)
        return self.weight[:, :, rows, columns]


def normalise(norm: nn.BatchNorm2d, features: FeatureMap) -> FeatureMap:
    """Applies batch norm and ReLU.

    A constant map counts as all the pixels that it stands for, so that the running variance is the
    same as on the spread map.

    Raises:
        ValueError: In training mode, if there is one value per channel: a single image whose map is
            1×1, for instance after global average pooling. It has no variance to learn from.
    """
    if norm.training and features.is_constant:
        values = _normalise_constant(norm, features)
    else:
        if norm.training and features.values.numel() == features.values.shape[1]:
            raise ValueError(
                "batch norm cannot be trained on a single image whose feature map is 1x1; "
                "use batches of at least 2 images (drop a last batch of 1)."
            )
        if norm.training and batch_norm.is_supported(features.values, norm.weight, norm.bias):
            return FeatureMap(_normalise_natively(norm, features.values), features.size)
        values = norm(features.values)
    return FeatureMap(F.relu(values, inplace=True), features.size)


def _normalise_natively(norm: nn.BatchNorm2d, values: Tensor) -> Tensor:
    output, mean, variance = batch_norm.batch_norm_relu(values, norm.weight, norm.bias, norm.eps)
    _update_running_statistics(norm, mean, variance, values.numel() // values.shape[1])
    return output


def _normalise_constant(norm: nn.BatchNorm2d, features: FeatureMap) -> Tensor:
    values = features.values.to(torch.promote_types(features.values.dtype, torch.float32))
    mean = values.mean((0, 2, 3), keepdim=True)
    centred = values - mean
    variance = centred.square().mean((0, 2, 3), keepdim=True)
    pixels = len(values) * features.size[0] * features.size[1]
    _update_running_statistics(norm, mean, variance, pixels)
    shape = (1, -1, 1, 1)
    scale = norm.weight.view(shape) * torch.rsqrt(variance + norm.eps)
    return (centred * scale + norm.bias.view(shape)).to(features.values.dtype)


@torch.no_grad()
def _update_running_statistics(
    norm: nn.BatchNorm2d, mean: Tensor, variance: Tensor, pixels: int
) -> None:
    if norm.running_mean is None or norm.running_var is None or norm.num_batches_tracked is None:
        return
    norm.num_batches_tracked.add_(1)
    momentum = norm.momentum
    if momentum is None:
        momentum = 1 / int(norm.num_batches_tracked)
    unbiased = variance * (pixels / (pixels - 1))
    norm.running_mean.lerp_(mean.flatten().to(norm.running_mean.dtype), momentum)
    norm.running_var.lerp_(unbiased.flatten().to(norm.running_var.dtype), momentum)
