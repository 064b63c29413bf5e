"""Wide residual networks, for CIFAR."""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn

from nas.models.small_images.staged import StagedNetwork, convolution


class PreActivationBlock(nn.Module):
    """Batch norm and ReLU before each of two 3x3 convolutions, beside a shortcut.

    Where the channels change, the shortcut is a 1x1 convolution of the activated input.

    Args:
        inputs: Channels of the input.
        outputs: Channels of the output.
        stride: Of the first convolution.
    """

    def __init__(self, inputs: int, outputs: int, stride: int):
        super().__init__()
        self.activation = nn.Sequential(nn.BatchNorm2d(inputs), nn.ReLU())
        self.residual = nn.Sequential(
            convolution(inputs, outputs, stride=stride),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
            convolution(outputs, outputs),
        )
        self.projection = None
        if inputs != outputs:
            self.projection = convolution(inputs, outputs, kernel=1, stride=stride)

    def forward(self, maps: Tensor) -> Tensor:
        activated = self.activation(maps)
        shortcut = maps if self.projection is None else self.projection(activated)
        return cast(Tensor, self.residual(activated) + shortcut)


def wide_resnet(depth: int, widening: int, num_classes: int, in_channels: int = 3) -> StagedNetwork:
    """A wide residual network of three stages, without dropout.

    Zagoruyko and Komodakis, Wide Residual Networks, 2016: https://arxiv.org/abs/1605.07146. A
    stage gives the sum before batch norm and ReLU, which follow the last stage as `last`.

    Args:
        depth: 6n + 4 layers, n blocks in each stage.
        widening: By how much the stages are wider than 16, 32 and 64 channels.
        num_classes: Number of classes.
        in_channels: Channels of the images.
    """
    blocks = (depth - 4) // 6
    widths = (16, 16 * widening, 32 * widening, 64 * widening)
    stages = [
        _stage(inputs, outputs, blocks, stride)
        for inputs, outputs, stride in zip(widths[:-1], widths[1:], (1, 2, 2), strict=True)
    ]
    last = nn.Sequential(nn.BatchNorm2d(widths[-1]), nn.ReLU())
    stem = convolution(in_channels, widths[0])
    return StagedNetwork(stem, stages, last, widths[-1], num_classes)


def _stage(inputs: int, outputs: int, blocks: int, stride: int) -> nn.Sequential:
    first = PreActivationBlock(inputs, outputs, stride)
    rest = (PreActivationBlock(outputs, outputs, 1) for _ in range(blocks - 1))
    return nn.Sequential(first, *rest)
