"""The form that the networks for small images share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from torch import Tensor, nn


class StagedNetwork(nn.Module):
    """Stem, stages, global average pool, one linear layer.

    The stages are submodules `stage1`, `stage2` and so on, so that the same module path means
    the same depth in every network. No ReLU works in place: a tap may hold any output.

    Args:
        stem: What comes before the first stage.
        stages: Each keeps or halves the spatial size.
        last: What comes between the last stage and the pool.
        channels: Channels at the pool.
        num_classes: Number of classes.
    """

    def __init__(
        self,
        stem: nn.Module,
        stages: Sequence[nn.Module],
        last: nn.Module,
        channels: int,
        num_classes: int,
    ):
        super().__init__()
        self.stem = stem
        self._stages = tuple(f"stage{number}" for number in range(1, len(stages) + 1))
        for name, stage in zip(self._stages, stages, strict=True):
            self.add_module(name, stage)
        self.last = last
        self.classifier = nn.Linear(channels, num_classes)
        self.apply(_initialise)

    def forward(self, images: Tensor) -> Tensor:
        """Logits N x classes of normalised images N x C x H x W."""
        maps = self.stem(images)
        for name in self._stages:
            maps = self.get_submodule(name)(maps)
        return cast(Tensor, self.classifier(self.last(maps).mean(dim=(2, 3))))


def convolution(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> nn.Conv2d:
    """A convolution without bias that keeps the spatial size at stride 1."""
    return nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False)


def _initialise(module: nn.Module) -> None:
    # He et al., Delving Deep into Rectifiers, 2015: https://arxiv.org/abs/1502.01852
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        if module.bias is not None:
            nn.init.zeros_(module.bias)
