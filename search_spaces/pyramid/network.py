"""The decoder that a genotype describes."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from search_spaces.fastnas.convolution import CroppedConv2d, normalise
from search_spaces.fastnas.feature_map import FeatureMap
from search_spaces.pyramid.plan import NONE, POOL, Plan

_KERNELS = {"sep_conv3x3": 3, "sep_conv5x5": 5, "conv3x3": 3}


class PyramidDecoder(nn.Module):
    """Encoder outputs in, logits out.

    Every output is projected to the width of the decoder; further levels come from the coarsest
    one by separable convolutions of stride 2. From the coarsest level on, the map of a level gets
    what its operation makes of it, is enlarged and added to the next finer one. On the finest
    level follow the head and the classifier.

    Weights are drawn from torch's global generator as torch does by default. In training mode a
    batch of a single image raises ValueError where a map is 1×1.

    Args:
        plan: What to build.
        encoder_channels: Channels of every encoder output.
        num_classes: Channels of the logits.
        width: Channels of the decoder.

    Attributes:
        stride: Stride of the logits, in pixels of the image.
    """

    def __init__(
        self, plan: Plan, *, encoder_channels: Sequence[int], num_classes: int, width: int
    ) -> None:
        super().__init__()
        self.encoder_outputs = len(encoder_channels)
        self.sources = [level.source for level in plan.levels if level.source is not None]
        self.stride = plan.levels[0].stride
        self.laterals = nn.ModuleList(
            nn.Conv2d(encoder_channels[source], width, 1, bias=False) for source in self.sources
        )
        further = len(plan.levels) - len(self.sources)
        self.further = nn.ModuleList(
            nn.Sequential(NormRelu(width), _separable(width, 3, stride=2)) for _ in range(further)
        )
        self.levels = nn.ModuleList(_on_level(level.operation, width) for level in plan.levels)
        self.norm = NormRelu(width)
        self.head = nn.Sequential()
        if plan.head != NONE:
            self.head = nn.Sequential(_convolution(plan.head, width), nn.ReLU())
        self.classifier = CroppedConv2d(width, num_classes, 3, bias=True)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Classifies the pixels of encoder outputs.

        Args:
            features: One tensor N×C×H×W per encoder output, the finest first.

        Returns:
            Logits N×classes×h×w, at the stride `stride`.

        Raises:
            ValueError: If the number of features is not that of the encoder outputs, or batch norm
                has a single value to learn from.
        """
        if len(features) != self.encoder_outputs:
            raise ValueError(
                f"the decoder needs {self.encoder_outputs} encoder outputs, not {len(features)}."
            )
        maps = [
            lateral(features[source])
            for source, lateral in zip(self.sources, self.laterals, strict=True)
        ]
        for halve in self.further:
            maps.append(halve(maps[-1]))
        merged = self.levels[-1](maps[-1])
        for finer, level in zip(maps[-2::-1], reversed(self.levels[:-1]), strict=True):
            larger = F.interpolate(
                merged, size=finer.shape[-2:], mode="bilinear", align_corners=False
            )
            merged = level(finer + larger)
        logits: Tensor = self.classifier(self.head(self.norm(merged)))
        return logits


class NormRelu(nn.Module):
    """Batch norm and ReLU.

    Args:
        width: Channels.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(width)

    def forward(self, values: Tensor) -> Tensor:
        """Maps N×C×H×W to the same shape."""
        return normalise(self.norm, FeatureMap.of(values)).values


class Residual(nn.Module):
    """A map and what a branch makes of it, added.

    Args:
        branch: Returns N×C×H×W, or N×C×1×1 for all pixels alike.
    """

    def __init__(self, branch: nn.Module) -> None:
        super().__init__()
        self.branch = branch

    def forward(self, values: Tensor) -> Tensor:
        """Maps N×C×H×W to the same shape."""
        added: Tensor = values + self.branch(values)
        return added


def _on_level(operation: str, width: int) -> nn.Module:
    if operation == NONE:
        return nn.Identity()
    if operation == POOL:
        # With a bias in place of batch norm, which a mean of a single image has no variance for.
        mean, project = nn.AdaptiveAvgPool2d(1), nn.Conv2d(width, width, 1)
        return Residual(nn.Sequential(NormRelu(width), mean, project))
    return Residual(nn.Sequential(NormRelu(width), _convolution(operation, width)))


def _convolution(operation: str, width: int) -> nn.Module:
    kernel = _KERNELS[operation]
    if operation.startswith("sep"):
        return _separable(width, kernel)
    return nn.Sequential(CroppedConv2d(width, width, kernel), nn.BatchNorm2d(width))


def _separable(width: int, kernel: int, stride: int = 1) -> nn.Module:
    """Depthwise k×k convolution, 1×1 convolution, batch norm."""
    depthwise = (
        CroppedConv2d(width, width, kernel, groups=width)
        if stride == 1
        else nn.Conv2d(width, width, kernel, stride, padding=kernel // 2, groups=width, bias=False)
    )
    return nn.Sequential(depthwise, nn.Conv2d(width, width, 1, bias=False), nn.BatchNorm2d(width))
