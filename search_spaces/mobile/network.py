"""The classifier that a genotype describes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from torch import Tensor, nn

from search_spaces.mobile.operations import InvertedResidual, convolution
from search_spaces.mobile.plan import Block, first_block
from search_spaces.mobile.sizes import Sizes


class MobileNetwork(nn.Module):
    """Stem, a first block, stages of inverted residuals, 1×1 head, mean, linear classifier.

    The submodules are `stem`, `first`, `stage1`, `stage2` and so on, `head`, `pool`, `flatten` and
    `classifier`. Weights are drawn from torch's global generator: Kaiming-normal convolutions,
    batch norms of scale 1 and shift 0, a normal classifier of standard deviation 0.01, biases 0.

    Args:
        plan: The blocks of every stage.
        sizes: Stem, first block, head and activation.
        num_classes: Number of logits.
        in_channels: Channels of the images.
    """

    def __init__(
        self,
        plan: Sequence[Sequence[Block]],
        sizes: Sizes,
        num_classes: int,
        in_channels: int,
    ) -> None:
        super().__init__()
        activation = sizes.activation
        self.stem = convolution(
            in_channels, sizes.stem_width, 3, stride=sizes.strides[0], activation=activation
        )
        self.first = InvertedResidual(first_block(sizes), activation)
        self._stages = tuple(f"stage{number}" for number in range(1, len(plan) + 1))
        for name, blocks in zip(self._stages, plan, strict=True):
            stage = nn.Sequential(*(InvertedResidual(block, activation) for block in blocks))
            self.add_module(name, stage)
        self.head = convolution(plan[-1][-1].outputs, sizes.head_width, 1, activation=activation)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.classifier = nn.Linear(sizes.head_width, num_classes)
        self.apply(_initialise)

    def forward(self, images: Tensor) -> Tensor:
        """Logits N×classes of normalised images N×channels×H×W of any size."""
        maps = self.first(self.stem(images))
        for name in self._stages:
            maps = self.get_submodule(name)(maps)
        logits: Tensor = self.classifier(self.flatten(self.pool(self.head(maps))))
        return logits


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        # The fan-out of a depthwise tap is that of one channel, which torch calls its fan-in.
        mode: Literal["fan_in", "fan_out"] = "fan_out" if module.groups == 1 else "fan_in"
        nn.init.kaiming_normal_(module.weight, mode=mode, nonlinearity="relu")
    elif isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=0.01)
    else:
        return
    if module.bias is not None:
        nn.init.zeros_(module.bias)
