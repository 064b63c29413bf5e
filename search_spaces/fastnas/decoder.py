"""The decoder that a genotype describes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from search_spaces.fastnas.cell import Cell
from search_spaces.fastnas.convolution import CroppedConv2d
from search_spaces.fastnas.feature_map import FeatureMap
from search_spaces.fastnas.operations import Projection
from search_spaces.fastnas.plan import CellPlan, DecoderPlan


class FastNASDecoder(nn.Module):
    """Encoder outputs in, logits out.

    Every encoder output that is read is adapted to the width of the decoder. A block sends each of
    its two inputs through its own copy of the cell and a projection, and adds them at the finer
    resolution. Block outputs that no later block reads are concatenated and classified.

    Weights are drawn from torch's global generator: Kaiming-normal convolutions, batch norms of
    scale 1 and shift 0, biases 0. In training mode a batch of a single image raises ValueError
    where a map is, or is pooled to, 1×1.

    Args:
        plan: What to build.
        encoder_channels: Channels of every encoder output.
        encoder_strides: Strides of the encoder outputs, in pixels of the image.
        num_classes: Channels of the logits.
        width: Channels of every map within the decoder.
        repeats: How often a separable convolution is repeated.
        auxiliary: `cell`, `classifier` or `none`, see `FastNAS`.

    Attributes:
        stride: Stride of the logits, in pixels of the image.
    """

    def __init__(
        self,
        plan: DecoderPlan,
        *,
        encoder_channels: Sequence[int],
        encoder_strides: Sequence[int],
        num_classes: int,
        width: int,
        repeats: int,
        auxiliary: str,
    ) -> None:
        super().__init__()
        self.plan = plan
        self._finest = _finest_encoder_outputs(plan, encoder_strides)
        self._output = min(
            (self._finest[position] for position in plan.collected),
            key=lambda index: encoder_strides[index],
        )
        self.stride = encoder_strides[self._output]
        self.auxiliary_heads = nn.ModuleList()
        if plan.cell.is_zero:
            self._build_constant(num_classes, auxiliary)
        else:
            self._build_network(encoder_channels, num_classes, width, repeats, auxiliary)
        _initialise(self)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Classifies the pixels of encoder outputs.

        Args:
            features: One tensor N×C×H×W per encoder output, in their order.

        Returns:
            Logits N×classes×h×w, at the stride `stride`.

        Raises:
            ValueError: If the number of features is not that of the encoder outputs, or batch norm
                has a single value to learn from.
        """
        return self._classify(self._block_outputs(features))

    def forward_with_auxiliary(self, features: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """The logits, and those of the auxiliary heads.

        Args:
            features: As for `forward`.

        Returns:
            The logits, and for every block its auxiliary logits N×classes×h×w at the block's own
            resolution; an empty list if there are no heads.
        """
        positions = self._block_outputs(features)
        blocks = positions[self.plan.encoder_outputs :]
        auxiliary = [head(block) for head, block in zip(self.auxiliary_heads, blocks, strict=False)]
        return self._classify(positions), auxiliary

    def remove_auxiliary(self) -> None:
        """Drops the auxiliary heads, for deployment."""
        self.auxiliary_heads = nn.ModuleList()

    def _build_constant(self, num_classes: int, auxiliary: str) -> None:
        # A cell that returns zero leaves nothing but the bias of every classifier.
        if auxiliary != "none":
            self.auxiliary_heads.extend(ConstantClassifier(num_classes) for _ in self.plan.blocks)
        self.classifier: nn.Module = ConstantClassifier(num_classes)

    def _build_network(
        self,
        encoder_channels: Sequence[int],
        num_classes: int,
        width: int,
        repeats: int,
        auxiliary: str,
    ) -> None:
        plan = self.plan
        self.adapters = nn.ModuleDict(
            {
                str(index): Projection(encoder_channels[index], width)
                for index in plan.used_encoder_outputs
            }
        )
        self.blocks = nn.ModuleList(Block(plan.cell, width, repeats) for _ in plan.blocks)
        self.merge = Projection(len(plan.collected) * width, width)
        self.classifier = Classifier(width, num_classes)
        for _ in plan.blocks if auxiliary != "none" else ():
            cell = [Cell(plan.cell, width, repeats)] if auxiliary == "cell" else []
            self.auxiliary_heads.append(AuxiliaryHead(*cell, Classifier(width, num_classes)))

    def _block_outputs(self, features: Sequence[Tensor]) -> list[FeatureMap]:
        """The maps of all positions; an encoder output that is not adapted stands unread."""
        if len(features) != self.plan.encoder_outputs:
            raise ValueError(
                f"the decoder needs {self.plan.encoder_outputs} encoder outputs, "
                f"not {len(features)}."
            )
        positions = [FeatureMap.of(values) for values in features]
        sizes = [positions[index].size for index in self._finest]
        if self.plan.cell.is_zero:
            # A constant classifier reads no more than the number of images and the extent.
            blocks = self._finest[self.plan.encoder_outputs :]
            return positions + [positions[index] for index in blocks]
        for name, adapter in self.adapters.items():
            positions[int(name)] = adapter(positions[int(name)])
        for block, (i, j) in zip(self.blocks, self.plan.blocks, strict=True):
            size = sizes[len(positions)]
            positions.append(block(positions[i], positions[j], size))
        return positions

    def _classify(self, positions: list[FeatureMap]) -> Tensor:
        output = positions[self._output]
        if not self.plan.cell.is_zero:
            output = self._merged([positions[i] for i in self.plan.collected], output.size)
        logits: Tensor = self.classifier(output)
        return logits

    def _merged(self, blocks: list[FeatureMap], size: tuple[int, int]) -> FeatureMap:
        stacked = torch.cat([block.upsampled(size).spread for block in blocks], dim=1)
        merged: FeatureMap = self.merge(FeatureMap.of(F.relu(stacked)))
        return merged


class Block(nn.Module):
    """Two inputs, each through its own cell and projection, added at one resolution."""

    def __init__(self, cell: CellPlan, width: int, repeats: int) -> None:
        super().__init__()
        self.cells = nn.ModuleList(Cell(cell, width, repeats) for _ in range(2))
        self.projections = nn.ModuleList(Projection(width, width) for _ in range(2))

    def forward(self, first: FeatureMap, second: FeatureMap, size: tuple[int, int]) -> FeatureMap:
        """Adds both at the extent `size`."""
        left = self.projections[0](self.cells[0](first)).upsampled(size)
        right = self.projections[1](self.cells[1](second)).upsampled(size)
        return FeatureMap(left.values + right.values, size)


class Classifier(nn.Module):
    """3×3 convolution with bias."""

    def __init__(self, width: int, num_classes: int) -> None:
        super().__init__()
        self.conv = CroppedConv2d(width, num_classes, 3, bias=True)

    def forward(self, features: FeatureMap) -> Tensor:
        """Logits N×classes×H×W."""
        logits: Tensor = self.conv(features.spread)
        return logits


class AuxiliaryHead(nn.Sequential):
    """A classifier of a block's output, with or without a cell before it."""

    def forward(self, features: FeatureMap) -> Tensor:
        """Logits N×classes×H×W."""
        *cells, classifier = self
        for cell in cells:
            features = cell(features)
        logits: Tensor = classifier(features)
        return logits


class ConstantClassifier(nn.Module):
    """What is left of a classifier whose input is always zero: its bias."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(num_classes))

    def forward(self, features: FeatureMap) -> Tensor:
        """Logits N×classes×H×W, the same for every pixel."""
        # A sum, for a mere view of a parameter trips torch's operation counter under `no_grad`.
        zeros = features.values.new_zeros(len(features.values), 1, *features.size)
        return zeros + self.bias.view(1, -1, 1, 1)


def _finest_encoder_outputs(plan: DecoderPlan, strides: Sequence[int]) -> list[int]:
    """For every position, the encoder output whose resolution it has."""
    finest = list(range(plan.encoder_outputs))
    for i, j in plan.blocks:
        finest.append(min(finest[i], finest[j], key=lambda index: strides[index]))
    return finest


def _initialise(module: nn.Module) -> None:
    for part in module.modules():
        if isinstance(part, nn.Conv2d):
            nn.init.kaiming_normal_(part.weight, nonlinearity="relu")
            if part.bias is not None:
                nn.init.zeros_(part.bias)
