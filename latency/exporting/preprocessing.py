"""What is done with an image before a network sees it, as a part of the network."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from latency.errors import ExportError

LAYOUTS = ("nhwc", "nchw")


class Preprocessed(nn.Module):
    """A network that takes images as a camera or a decoder gives them: uint8, red first.

    Args:
        network: Takes normalised images, float32, N x C x H x W.
        mean: Of the channels, for values from 0 to 1.
        std: Likewise, each above 0.
        layout: ``nhwc``, as images lie in memory, or ``nchw``.

    Raises:
        ExportError: If the layout is another one.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self, network: nn.Module, mean: Sequence[float], std: Sequence[float], layout: str = "nhwc"
    ) -> None:
        super().__init__()
        if layout not in LAYOUTS:
            raise ExportError(f"layout {layout!r} is not known: use {' or '.join(LAYOUTS)}.")
        self.network = network
        self.layout = layout
        shape = (1, len(mean), 1, 1)
        self.register_buffer("mean", torch.tensor(mean).view(shape), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(shape), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """What the network gives for images of 0 to 255, in the layout."""
        planes = images.permute(0, 3, 1, 2) if self.layout == "nhwc" else images
        logits: Tensor = self.network((planes.to(torch.float32) / 255 - self.mean) / self.std)
        return logits

    def laid_out(self, planes: Tensor) -> Tensor:
        """Images N x C x H x W as this takes them."""
        return planes.permute(0, 2, 3, 1).contiguous() if self.layout == "nhwc" else planes

    def of_planes(self) -> Preprocessed:
        """The same for images N x C x H x W of any number format."""
        mean, std = self.mean.flatten().tolist(), self.std.flatten().tolist()
        return Preprocessed(self.network, mean, std, "nchw")
