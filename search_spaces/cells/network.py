"""What is around the cells of a classifier."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from search_spaces.cells.operations import make_convolution
from search_spaces.cells.stem import half

STAGES = ("stage1", "stage2", "stage3")
"""Attributes of a network that give its map after every stage."""


class StridedStem(nn.Sequential):
    """Two 3×3 convolutions of stride 2 with batch norm and a ReLU between, for large images.

    Args:
        inputs: Channels of the images.
        outputs: Channels of the maps.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        between = half(outputs)
        super().__init__(
            make_convolution(inputs, between, 3, stride=2),
            nn.BatchNorm2d(between),
            nn.ReLU(),
            make_convolution(between, outputs, 3, stride=2),
            nn.BatchNorm2d(outputs),
        )


class ConstantNetwork(nn.Module):
    """What is left of a classifier whose last map is always zero: the bias of its classifier.

    It has empty maps where the other networks of its space have theirs, so that code that taps them
    finds them.

    Args:
        widths: Channels of the map after every stage.
        stride: Stride of the first of them, in pixels of the image; each further one has twice
            that of the one before.
        num_classes: Number of logits.
    """

    def __init__(self, widths: Sequence[int], stride: int, num_classes: int) -> None:
        super().__init__()
        for number, (name, width) in enumerate(zip(STAGES, widths, strict=True)):
            self.add_module(name, ZeroMap(width, stride if number == 0 else 2))
        self.pool = global_pool()
        self.classifier = ConstantClassifier(num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits N×classes, the same for every image."""
        maps = images
        for name in STAGES:
            maps = self.get_submodule(name)(maps)
        logits: Tensor = self.classifier(self.pool(maps))
        return logits


class ZeroMap(nn.Module):
    """A map of zeros, smaller than its input by a stride.

    Args:
        channels: Channels of the map.
        stride: By which sizes are divided, rounded up.
    """

    def __init__(self, channels: int, stride: int) -> None:
        super().__init__()
        self.channels = channels
        self.stride = stride

    def forward(self, maps: Tensor) -> Tensor:
        """Takes N×C×H×W for its size alone."""
        size = (-(-side // self.stride) for side in maps.shape[2:])
        return maps.new_zeros(len(maps), self.channels, *size)


class ConstantClassifier(nn.Module):
    """The bias of a classifier.

    Args:
        num_classes: Number of logits.
    """

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(num_classes))

    def forward(self, vectors: Tensor) -> Tensor:
        """Logits N×classes, the same for every vector."""
        # A sum, for a mere view of a parameter trips torch's operation counter under `no_grad`.
        return vectors.new_zeros(len(vectors), 1) + self.bias


def global_pool() -> nn.Sequential:
    """From maps N×C×H×W to their means N×C."""
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())


def initialise(network: nn.Module) -> None:
    """Draws the weights of convolutions from torch's global generator.

    He et al., Delving Deep into Rectifiers, ICCV 2015, https://arxiv.org/abs/1502.01852.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
