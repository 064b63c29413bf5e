"""What joins the parts of networks whose maps differ in width."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from nas.errors import UserError
from nas.mutual_learning.splitting import Interface, Shape

if TYPE_CHECKING:
    from nas.mutual_learning.students import Forward


class Adapters(nn.ModuleDict):
    """A 1x1 convolution with a ReLU for each crossing between maps of unequal width.

    Args:
        shapes: Of each network, what it hands over at its cuts.
        names: Of the networks.
        wanted: Whether there are to be any; otherwise all shapes have to agree.

    Raises:
        UserError: If the shapes do not agree and no adapter can join them, or if they all agree
            and adapters are wanted.
    """

    def __init__(self, shapes: Sequence[Sequence[Interface]], names: Sequence[str], wanted: bool):
        super().__init__()
        for cut in range(1, len(shapes[0]) + 1):
            for sender, given in enumerate(shapes):
                for receiver, taken in enumerate(shapes):
                    one, other = given[cut - 1], taken[cut - 1]
                    if one != other:
                        _check(one, other, (names[sender], names[receiver]), cut, wanted)
                        self[_key(cut, sender, receiver)] = nn.Sequential(
                            nn.Conv2d(one[0][0], other[0][0], kernel_size=1), nn.ReLU()
                        )
        if wanted and not len(self):
            raise UserError(
                "adapters join networks of unequal width, and these hand over maps of one shape; "
                "leave adapters out."
            )

    def between(self, cut: int, sender: int, receiver: int) -> nn.Module | None:
        """The adapter at a cut, from 1, or None where two networks need none."""
        key = _key(cut, sender, receiver)
        if key not in self:
            return None
        return self[key]

    def each(self) -> Iterator[tuple[tuple[int, int, int], nn.Module]]:
        """The adapters with their cut, sender and receiver."""
        for key, adapter in self.items():
            cut, sender, receiver = map(int, key.split("-"))
            yield (cut, sender, receiver), adapter

    def of(self, network: int) -> list[tuple[int, int, int]]:
        """Cut, sender and receiver of the adapters from and to a network."""
        return [place for place, _ in self.each() if network in place[1:]]


def map_loss(own: int, adapters: Adapters, forward: Forward, detached: bool = True) -> Tensor:
    """The mean squared difference between adapted maps and those of their receiver, a scalar.

    It is the mean over the adapters from and to a network, on the maps that each of the two
    networks computes by itself.

    Args:
        own: Number of the network.
        adapters: Those of all networks.
        forward: Of a batch.
        detached: Whether the maps of the peers count as given.
    """

    def of(cut: int, network: int) -> Tensor:
        maps = forward((network,) * cut)
        return maps.detach() if detached and network != own else maps

    losses = []
    for cut, sender, receiver in adapters.of(own):
        adapter = adapters.between(cut, sender, receiver)
        assert adapter is not None
        adapted, wanted = adapter(of(cut, sender)), of(cut, receiver)
        losses.append(functional.mse_loss(adapted.float(), wanted.float()))
    return torch.stack(losses).mean()


def _key(cut: int, sender: int, receiver: int) -> str:
    return f"{cut}-{sender}-{receiver}"


def _check(
    one: Interface, other: Interface, names: tuple[str, str], cut: int, wanted: bool
) -> None:
    told = f"{names[0]} hands over {_told(one)} at its cut {cut} and {names[1]} {_told(other)}"
    if not _differ_in_width_alone(one, other):
        raise UserError(f"{told}; cut them where the shapes agree.")
    if not wanted:
        raise UserError(
            f"{told}; cut them where the shapes agree, or let 1x1 convolutions join them with "
            "--set adapters.trained_by=both."
        )


def _differ_in_width_alone(one: Interface, other: Interface) -> bool:
    """Whether a 1x1 convolution can join them."""
    shapes: tuple[Shape, ...] = (*one, *other)
    return len(shapes) == 2 and all(len(s) == 3 for s in shapes) and one[0][1:] == other[0][1:]


def _told(interface: Interface) -> str:
    return " and ".join(" x ".join(map(str, shape)) for shape in interface)
