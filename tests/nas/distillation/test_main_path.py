"""Which modules carry all that a network hands on."""

from __future__ import annotations

from typing import NamedTuple

import pytest
from torch import Tensor, nn

from nas.distillation.main_path import carries_everything

SHAPE = (2, 3, 8, 8)


class Map(NamedTuple):
    values: Tensor
    size: tuple[int, int]


class Grow(nn.Module):
    """Takes and gives a named tuple, as the templates of a decoder do."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 1)

    def forward(self, given: Map) -> Map:
        return Map(self.conv(given.values), given.size)


class Block(nn.Module):
    """A convolution, beside a shortcut or alone."""

    def __init__(self, shortcut: bool):
        super().__init__()
        self.conv, self.shortcut = nn.Conv2d(3, 3, 1), shortcut

    def forward(self, maps: Tensor) -> Tensor:
        return maps + self.conv(maps) if self.shortcut else self.conv(maps)


class Net(nn.Module):
    def __init__(self, inner: nn.Module):
        super().__init__()
        self.inner, self.fc = inner, nn.Linear(3, 2)

    def forward(self, images: Tensor) -> Tensor:
        if isinstance(self.inner, Grow):
            maps = self.inner(Map(images, (8, 8))).values
        else:
            maps = self.inner(images)
        return self.fc(maps.mean(dim=(2, 3)))


@pytest.mark.parametrize("shortcut", [False, True])
def test_a_branch_beside_a_shortcut_does_not(shortcut):
    assert carries_everything(Net(Block(shortcut)), "inner.conv", SHAPE) is not shortcut


def test_modules_can_take_and_give_named_tuples():
    assert carries_everything(Net(Grow()), "inner.conv", SHAPE)


class Reading(nn.Module):
    """The sum reads both stages."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1)

    def forward(self, images: Tensor) -> Tensor:
        first = self.first(images)
        return first + self.second(first)


def test_a_child_of_the_network_is_one_of_its_stages():
    assert carries_everything(Reading(), "second", SHAPE)
    assert not carries_everything(Net(Reading()), "inner.second", SHAPE)
