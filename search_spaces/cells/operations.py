"""The operations of classification cells as modules.

Those with weights take maps that are rectified already: a cell rectifies a value once for all the
operations that read it. None of them works in place.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from search_spaces.cells.plan import POOLS, SKIP, Step
from search_spaces.fastnas.convolution import CroppedConv2d, normalise
from search_spaces.fastnas.feature_map import FeatureMap


class Convolution(nn.Module):
    """k×k convolution and batch norm.

    Args:
        inputs: Channels of the input.
        outputs: Channels of the output.
        kernel: Side of the kernel, odd.
        stride: Of the convolution.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = make_convolution(inputs, outputs, kernel, stride)
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, maps: Tensor) -> Tensor:
        """Maps N×C×H×W to N×C'×H'×W'."""
        values: Tensor = self.norm(self.conv(maps))
        return values

    def rectified(self, maps: Tensor) -> Tensor:
        """The ReLU of what `forward` gives."""
        return normalise(self.norm, FeatureMap.of(self.conv(maps))).values


class SeparableConvolution(nn.Module):
    """Depthwise k×k and 1×1 convolution with batch norm, twice, with a ReLU between.

    Args:
        channels: Channels of input and output.
        kernel: Side of the kernel, odd.
        stride: Of the first depthwise convolution.
    """

    def __init__(self, channels: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.first = DepthwiseConvolution(channels, kernel, stride)
        self.second = DepthwiseConvolution(channels, kernel)

    def forward(self, maps: Tensor) -> Tensor:
        """Maps N×C×H×W to N×C×H'×W'."""
        values: Tensor = self.second(self.first.rectified(maps))
        return values


class DepthwiseConvolution(nn.Module):
    """Depthwise k×k convolution, 1×1 convolution, batch norm.

    Args:
        channels: Channels of input and output.
        kernel: Side of the kernel, odd.
        stride: Of the depthwise convolution.
        dilation: Distance of neighbouring taps, in pixels.
    """

    def __init__(self, channels: int, kernel: int, stride: int = 1, dilation: int = 1) -> None:
        super().__init__()
        self.depthwise = make_convolution(channels, channels, kernel, stride, dilation, channels)
        self.pointwise = nn.Conv2d(channels, channels, 1, bias=False)
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, maps: Tensor) -> Tensor:
        """Maps N×C×H×W to N×C×H'×W'."""
        values: Tensor = self.norm(self.pointwise(self.depthwise(maps)))
        return values

    def rectified(self, maps: Tensor) -> Tensor:
        """The ReLU of what `forward` gives."""
        values = FeatureMap.of(self.pointwise(self.depthwise(maps)))
        return normalise(self.norm, values).values


class FactorizedReduction(nn.Module):
    """Two 1×1 convolutions of every second pixel side by side, one a pixel further; batch norm.

    Args:
        inputs: Channels of the input.
        outputs: Channels of the output, even.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(inputs, outputs // 2, 1, bias=False) for _ in range(2))
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, maps: Tensor) -> Tensor:
        """Maps N×C×H×W to N×C'×H'×W', sizes halved and rounded up."""
        height, width = maps.shape[2:]
        # Not by the convolutions' stride: the gradient of a strided 1×1 convolution of fewer than 8
        # channels corrupts memory, https://github.com/uxlfoundation/oneDNN/issues/6035.
        first, second = maps[:, :, ::2, ::2], maps[:, :, 1::2, 1::2]
        if height % 2 or width % 2:
            second = F.pad(second, (0, width % 2, 0, height % 2))
        halves = [conv(pixels) for conv, pixels in zip(self.convs, (first, second), strict=True)]
        values: Tensor = self.norm(torch.cat(halves, dim=1))
        return values


def make_convolution(
    inputs: int, outputs: int, kernel: int, stride: int = 1, dilation: int = 1, groups: int = 1
) -> nn.Conv2d:
    """A convolution without bias that divides the size of its maps by the stride, rounded up."""
    if stride == 1 and kernel > 1:
        return CroppedConv2d(inputs, outputs, kernel, dilation, groups)
    padding = dilation * (kernel // 2)
    return nn.Conv2d(inputs, outputs, kernel, stride, padding, dilation, groups, bias=False)


_MAKERS: dict[str, Callable[[int, int], nn.Module]] = {
    SKIP: lambda channels, _: FactorizedReduction(channels, channels),
    "avg_pool_3x3": lambda _, stride: nn.AvgPool2d(3, stride, 1, count_include_pad=False),
    "max_pool_3x3": lambda _, stride: nn.MaxPool2d(3, stride, 1),
    "nor_conv_1x1": lambda channels, stride: Convolution(channels, channels, 1, stride),
    "nor_conv_3x3": lambda channels, stride: Convolution(channels, channels, 3, stride),
    "sep_conv_3x3": lambda channels, stride: SeparableConvolution(channels, 3, stride),
    "sep_conv_5x5": lambda channels, stride: SeparableConvolution(channels, 5, stride),
    "dil_conv_3x3": lambda channels, stride: DepthwiseConvolution(channels, 3, stride, 2),
    "dil_conv_5x5": lambda channels, stride: DepthwiseConvolution(channels, 5, stride, 2),
}


def make_operation(step: Step, channels: int) -> nn.Module:
    """The module of a planned operation.

    Args:
        step: Not a skip connection of stride 1, which a plan resolves.
        channels: Channels of input and output.
    """
    return _MAKERS[step.operation](channels, step.stride)


def reads_rectified(step: Step) -> bool:
    """Whether a ReLU comes before the operation; pools have none."""
    return step.operation not in POOLS
