"""The classifier that a DARTS genotype describes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from search_spaces.cells.cell import PlannedCell
from search_spaces.cells.network import (
    STAGES,
    ConstantNetwork,
    StridedStem,
    ZeroMap,
    global_pool,
    initialise,
)
from search_spaces.cells.operations import Convolution, FactorizedReduction
from search_spaces.darts.plan import NetworkPlan, PlannedPosition
from search_spaces.darts.sizes import Sizes


def make_network(plan: NetworkPlan, sizes: Sizes, num_classes: int, in_channels: int) -> nn.Module:
    """The network of a plan, with random weights."""
    if not plan:
        return ConstantNetwork(sizes.output_widths, sizes.stem_strides[1], num_classes)
    return DARTSNetwork(plan, sizes, num_classes, in_channels)


class DARTSNetwork(nn.Module):
    """Stem, cells that each read the two before them, global average pool, a linear layer.

    Args:
        plan: The cells; the last one of the network must be among them.
        sizes: Sizes of the space.
        num_classes: Number of logits.
        in_channels: Channels of the images.
    """

    def __init__(self, plan: NetworkPlan, sizes: Sizes, num_classes: int, in_channels: int) -> None:
        super().__init__()
        self.plan = plan
        self.stem = _make_stem(plan, sizes, in_channels)
        channels = {-2: sizes.stem_channels, -1: sizes.stem_channels}
        self.cells = nn.ModuleDict()
        for position in plan:
            cell = Cell(position, sizes, channels)
            self.cells[str(position.number)] = cell
            channels[position.number] = cell.out_channels
        self._ends = {sizes.stage(position.number): position.number for position in plan}
        for stage, (name, width) in enumerate(zip(STAGES, sizes.output_widths, strict=True)):
            empty = ZeroMap(width, sizes.stem_strides[1] * 2**stage)
            self.add_module(name, nn.Identity() if stage in self._ends else empty)
        self.pool = global_pool()
        self.classifier = nn.Linear(channels[plan[-1].number], num_classes)
        initialise(self)

    def forward(self, images: Tensor) -> Tensor:
        """Logits N×classes of normalised images N×C×H×W."""
        maps = self._stem_maps(images)
        for position, cell in zip(self.plan, self.cells.values(), strict=True):
            number = position.number
            maps[number] = cell(maps.get(number - 2), maps.get(number - 1))
            # Each stage has a name, so that its map can be tapped whatever its number of cells.
            for stage, end in self._ends.items():
                if end == number:
                    maps[number] = self.get_submodule(STAGES[stage])(maps[number])
        for stage in {0, 1, 2} - self._ends.keys():
            self.get_submodule(STAGES[stage])(images)
        return cast(Tensor, self.classifier(self.pool(maps[self.plan[-1].number])))

    def _stem_maps(self, images: Tensor) -> dict[int, Tensor]:
        """The maps -2 and -1, as far as they are read; one map is both in a stem of one part."""
        maps = [images]
        for part in self.stem:
            maps.append(part(maps[-1]))
        return {-2: maps[1], -1: maps[-1]}


class Cell(PlannedCell):
    """A cell with what brings its two inputs to its width and size.

    Args:
        position: What to build, and where in the network.
        sizes: Sizes of the space.
        channels: Channels of the outputs of the cells before it, by number.

    Attributes:
        out_channels: Channels of its output.
    """

    def __init__(
        self, position: PlannedPosition, sizes: Sizes, channels: Mapping[int, int]
    ) -> None:
        number, plan = position
        width = sizes.width(number)
        super().__init__(plan, width)
        self.adapters = nn.ModuleDict()
        for source, read in zip(plan.used_inputs, position.read, strict=True):
            is_larger = sizes.stride(read) != sizes.stride(number - 1)
            self.adapters[str(source)] = _make_adapter(channels[read], width, halves=is_larger)
        self.out_channels = width * len(plan.outputs)

    def forward(self, before_last: Tensor | None, last: Tensor | None) -> Tensor:
        """The nodes side by side, N×C×H×W.

        Args:
            before_last: Map of the cell before the last one, or None if it is not used.
            last: Map of the last cell, or None if it is not used.
        """
        inputs: list[Tensor | None] = [None, None]
        for name, adapter in self.adapters.items():
            maps = (before_last, last)[int(name)]
            assert maps is not None  # a plan reads no cell that is not built
            inputs[int(name)] = adapter(F.relu(maps))
        return torch.cat(self.outputs(inputs), dim=1)


def _make_adapter(inputs: int, outputs: int, *, halves: bool) -> nn.Module:
    return FactorizedReduction(inputs, outputs) if halves else Convolution(inputs, outputs, 1)


def _make_stem(plan: NetworkPlan, sizes: Sizes, in_channels: int) -> nn.ModuleList:
    outputs = sizes.stem_channels
    if sizes.stem == "cifar":
        return nn.ModuleList([Convolution(in_channels, outputs, 3)])
    parts: list[nn.Module] = [StridedStem(in_channels, outputs)]
    if any(-1 in position.read for position in plan):
        parts.append(nn.Sequential(nn.ReLU(), Convolution(outputs, outputs, 3, stride=2)))
    return nn.ModuleList(parts)
