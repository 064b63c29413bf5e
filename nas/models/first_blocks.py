"""The first blocks of a timm network: a backbone that ends within a stride."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from nas.errors import UserError
from nas.models.own import TIMM_PLACES

MARK = "@"
"""Between the name of a network and the number of its blocks, as in mobilenetv2_100@4."""
_WITHIN = "."
_SIDE = 64


class Cut(NamedTuple):
    """How much of a network is meant.

    Attributes:
        blocks: The first so many of its blocks.
        layers: Of the last of these, the first so many of the layers that it consists of; None
            is all of them.
    """

    blocks: int
    layers: int | None = None


def split_name(name: str) -> tuple[str, Cut | None]:
    """The name of a network, and how much of it is meant; None is all of it.

    Raises:
        UserError: If what follows the mark is no number, or two with a dot between them.
    """
    network, mark, number = name.partition(MARK)
    # Behind the mark of a network on a hub is its revision.
    if not mark or name.startswith(TIMM_PLACES):
        return name, None
    blocks, within, layers = number.partition(_WITHIN)
    if not (_is_number(blocks) and (_is_number(layers) or not within)):
        raise UserError(
            f"encoder {name!r}: behind the {MARK} must be a number of blocks, or as 4.2 the "
            f"layers of the last one too, not {number!r}."
        )
    return network, Cut(int(blocks), int(layers) if within else None)


class FirstBlocks(nn.Module):
    """The stem of a network and its first blocks, under the names that they have there.

    Timm gives the last map of each stride, and much may lie between two of them: the fifth block of
    MobileNetV2, the second one at stride 16, has more parameters than all before it. A block is a
    chain of layers, inverted residuals there, of which the first ones may do.

    Args:
        network: One of timm's with ``conv_stem`` and ``blocks``; its modules are taken over.
        cut: How many of the blocks and their layers to keep, from 1.
        in_channels: Channels of the images.
        name: What the network is called in messages.

    Attributes:
        channels: Channels of each map.
        strides: Stride of each map, in input pixels, the finest first.

    Raises:
        UserError: If the network has no such blocks, or not so many.
    """

    def __init__(self, network: nn.Module, cut: Cut, in_channels: int, name: str) -> None:
        super().__init__()
        blocks = getattr(network, "blocks", None)
        if not (hasattr(network, "conv_stem") and isinstance(blocks, nn.Sequential)):
            raise UserError(
                f"{name} cannot be cut behind a block; networks like MobileNet, EfficientNet and "
                "GhostNet can."
            )
        if not 1 <= cut.blocks <= len(blocks):
            raise UserError(
                f"{name} can be cut behind 1 to {len(blocks)} blocks, not {cut.blocks}."
            )
        *kept, last = list(blocks)[: cut.blocks]
        if cut.layers is not None:
            layers = list(last.children()) if isinstance(last, nn.Sequential) else [last]
            if not 1 <= cut.layers <= len(layers):
                raise UserError(
                    f"{name}: block {cut.blocks} has 1 to {len(layers)} layers to keep, not "
                    f"{cut.layers}."
                )
            last = nn.Sequential(*layers[: cut.layers])
        children = dict(network.named_children())
        stem = list(children)[: list(children).index("blocks")]
        self.stem = tuple(stem)
        for place in stem:
            self.add_module(place, children[place])
        self.blocks = nn.Sequential(*kept, last)
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


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal()
