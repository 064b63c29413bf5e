"""The classifier that a NAS-Bench-201 cell describes."""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn
from torch.nn import functional as F

from search_spaces.cells.cell import PlannedCell
from search_spaces.cells.network import (
    STAGES,
    ConstantNetwork,
    StridedStem,
    global_pool,
    initialise,
)
from search_spaces.cells.operations import Convolution, make_convolution
from search_spaces.cells.plan import CellPlan
from search_spaces.nasbench201.sizes import Sizes


def make_network(plan: CellPlan, sizes: Sizes, num_classes: int, in_channels: int) -> nn.Module:
    """The network of a planned cell, with random weights."""
    if not plan.outputs:
        return ConstantNetwork(sizes.widths, sizes.stem_stride, num_classes)
    return NASBench201Network(plan, sizes, num_classes, in_channels)


class NASBench201Network(nn.Module):
    """Stem, three stages of cells, batch norm and ReLU, global average pool, a linear layer.

    The second and the third stage begin with a residual block that halves the map and doubles the
    channels.

    Args:
        plan: The cell; it must have an output.
        sizes: Sizes of the space.
        num_classes: Number of logits.
        in_channels: Channels of the images.
    """

    def __init__(self, plan: CellPlan, sizes: Sizes, num_classes: int, in_channels: int) -> None:
        super().__init__()
        first, second, third = sizes.widths
        self.stem = _make_stem(sizes.stem, in_channels, first)
        self.stage1 = nn.Sequential(*_cells(plan, sizes.cells, first))
        self.stage2 = nn.Sequential(Reduction(first), *_cells(plan, sizes.cells, second))
        self.stage3 = nn.Sequential(Reduction(second), *_cells(plan, sizes.cells, third))
        self.last = nn.Sequential(nn.BatchNorm2d(third), nn.ReLU())
        self.pool = global_pool()
        self.classifier = nn.Linear(third, num_classes)
        initialise(self)

    def forward(self, images: Tensor) -> Tensor:
        """Logits N×classes of normalised images N×C×H×W."""
        maps = self.stem(images)
        for name in STAGES:
            maps = self.get_submodule(name)(maps)
        return cast(Tensor, self.classifier(self.pool(self.last(maps))))


class Cell(PlannedCell):
    """One copy of the cell."""

    def forward(self, maps: Tensor) -> Tensor:
        """Maps N×C×H×W to maps of the same shape."""
        return self.outputs([maps])[0]


class Reduction(nn.Module):
    """Two 3×3 convolutions, the first of stride 2, beside a pool and a 1×1 convolution.

    Args:
        channels: Channels of the input; the output has twice as many.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = Convolution(channels, 2 * channels, 3, stride=2)
        self.second = Convolution(2 * channels, 2 * channels, 3)
        self.shortcut = nn.Sequential(
            # Rounded up like the convolutions, where the size is odd.
            nn.AvgPool2d(2, ceil_mode=True),
            make_convolution(channels, 2 * channels, 1),
        )

    def forward(self, maps: Tensor) -> Tensor:
        """Maps N×C×H×W to N×2C×H/2×W/2, sizes rounded up."""
        residual = self.second(self.first.rectified(F.relu(maps)))
        return cast(Tensor, self.shortcut(maps) + residual)


def _cells(plan: CellPlan, count: int, channels: int) -> list[Cell]:
    return [Cell(plan, channels) for _ in range(count)]


def _make_stem(stem: str, inputs: int, outputs: int) -> nn.Module:
    return StridedStem(inputs, outputs) if stem == "imagenet" else Convolution(inputs, outputs, 3)
