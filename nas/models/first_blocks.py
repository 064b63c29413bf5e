"""The first blocks of a timm network: a backbone that ends within a stride."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nas.errors import UserError
from nas.models.own import TIMM_PLACES

MARK = "@"
"""Between the name of a network and the number of its blocks, as in mobilenetv2_100@4."""
_SIDE = 64


def split_name(name: str) -> tuple[str, int | None]:
    """The name of a network, and how many of its blocks are meant; None is all of them.

    Raises:
        UserError: If what follows the mark is no number.
    """
    network, mark, number = name.partition(MARK)
    # Behind the mark of a network on a hub is its revision.
    if not mark or name.startswith(TIMM_PLACES):
        return name, None
    if not (number.isascii() and number.isdecimal()):
        raise UserError(
            f"encoder {name!r}: behind the {MARK} must be a number of blocks, not {number!r}."
        )
    return network, int(number)


class FirstBlocks(nn.Module):
    """The stem of a network and its first blocks, under the names that they have there.

    Timm gives the last map of each stride, and much may lie between two of them: the fifth block of
    MobileNetV2, the second one at stride 16, has more parameters than all before it.

    Args:
        network: One of timm's with ``conv_stem`` and ``blocks``; its modules are taken over.
        number: How many of the blocks to keep, from 1.
        in_channels: Channels of the images.
        name: What the network is called in messages.

    Attributes:
        channels: Channels of each map.
        strides: Stride of each map, in input pixels, the finest first.

    Raises:
        UserError: If the network has no such blocks, or not so many.
    """

    def __init__(self, network: nn.Module, number: int, in_channels: int, name: str) -> None:
        super().__init__()
        blocks = getattr(network, "blocks", None)
        if not (hasattr(network, "conv_stem") and isinstance(blocks, nn.Sequential)):
            raise UserError(
                f"{name} cannot be cut behind a block; networks like MobileNet, EfficientNet and "
                "GhostNet can."
            )
        if not 1 <= number <= len(blocks):
            raise UserError(f"{name} can be cut behind 1 to {len(blocks)} blocks, not {number}.")
        children = dict(network.named_children())
        stem = list(children)[: list(children).index("blocks")]
        self.stem = tuple(stem)
        for place in stem:
            self.add_module(place, children[place])
        self.blocks = nn.Sequential(*list(blocks)[:number])
        self.eval()
        with torch.no_grad():
            outputs = self._outputs(torch.zeros(1, in_channels, _SIDE, _SIDE))
        self.train()
        sides = [output.shape[-1] for output in outputs]
        # The last output of each stride is its map.
        following = [*sides[1:], None]
        self._places = [n for n, side in enumerate(sides) if side != following[n]]
        self.channels = tuple(outputs[place].shape[1] for place in self._places)
        self.strides = tuple(_SIDE // sides[place] for place in self._places)

    def shorten(self, maps: int) -> None:
        """Drops what lies behind the first so many maps."""
        self._places = self._places[:maps]
        self.channels, self.strides = self.channels[:maps], self.strides[:maps]
        self.blocks = nn.Sequential(*list(self.blocks)[: self._places[-1]])

    def forward(self, images: Tensor) -> list[Tensor]:
        """Maps of normalised images N x C x H x W, the finest first."""
        outputs = self._outputs(images)
        return [outputs[place] for place in self._places]

    def _outputs(self, images: Tensor) -> list[Tensor]:
        """What the stem gives, and each block."""
        found = images
        for place in self.stem:
            found = getattr(self, place)(found)
        outputs = [found]
        for block in self.blocks:
            outputs.append(block(outputs[-1]))
        return outputs
