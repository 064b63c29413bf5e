"""Residual networks in the form for CIFAR."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from nas.models.small_images.staged import StagedNetwork, convolution


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut, a ReLU after their sum.

    Where the shape changes, the shortcut is a 1x1 convolution with batch norm.

    Args:
        inputs: Channels of the input.
        outputs: Channels of the output.
        stride: Of the first convolution.
    """

    def __init__(self, inputs: int, outputs: int, stride: int):
        super().__init__()
        self.residual = nn.Sequential(
            convolution(inputs, outputs, stride=stride),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
            convolution(outputs, outputs),
            nn.BatchNorm2d(outputs),
        )
        self.shortcut: nn.Module = nn.Identity()
        if (inputs, stride) != (outputs, 1):
            self.shortcut = nn.Sequential(
                convolution(inputs, outputs, kernel=1, stride=stride), nn.BatchNorm2d(outputs)
            )

    def forward(self, maps: Tensor) -> Tensor:
        return functional.relu(self.residual(maps) + self.shortcut(maps))


def resnet(
    depth: int, widths: tuple[int, int, int, int], num_classes: int, in_channels: int = 3
) -> StagedNetwork:
    """A residual network of three stages.

    He et al., Deep Residual Learning, 2016, section 4.2: https://arxiv.org/abs/1512.03385. The
    shortcuts are the paper's option B, as in the tables of distillation.

    Args:
        depth: 6n + 2 layers, n blocks in each stage.
        widths: Channels of the stem and of the three stages.
        num_classes: Number of classes.
        in_channels: Channels of the images.
    """
    blocks = (depth - 2) // 6
    stem = nn.Sequential(convolution(in_channels, widths[0]), nn.BatchNorm2d(widths[0]), nn.ReLU())
    stages = [
        _stage(inputs, outputs, blocks, stride)
        for inputs, outputs, stride in zip(widths[:-1], widths[1:], (1, 2, 2), strict=True)
    ]
    return StagedNetwork(stem, stages, nn.Identity(), widths[-1], num_classes)


def _stage(inputs: int, outputs: int, blocks: int, stride: int) -> nn.Sequential:
    first = ResidualBlock(inputs, outputs, stride)
    return nn.Sequential(first, *(ResidualBlock(outputs, outputs, 1) for _ in range(blocks - 1)))
