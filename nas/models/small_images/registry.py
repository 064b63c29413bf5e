"""Finds a network for small images by its name."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from nas.errors import UserError
from nas.models.small_images.convnet import convnet
from nas.models.small_images.resnet import resnet
from nas.models.small_images.staged import StagedNetwork
from nas.models.small_images.vgg import vgg
from nas.models.small_images.wide_resnet import wide_resnet

_NARROW, _FOUR_TIMES = (16, 16, 32, 64), (32, 64, 128, 256)

_NETWORKS: dict[str, Callable[[int, int], StagedNetwork]] = {
    "resnet8": partial(resnet, 8, _NARROW),
    "resnet8x4": partial(resnet, 8, _FOUR_TIMES),
    "resnet14": partial(resnet, 14, _NARROW),
    "resnet20": partial(resnet, 20, _NARROW),
    "resnet32x4": partial(resnet, 32, _FOUR_TIMES),
    "resnet56": partial(resnet, 56, _NARROW),
    "wrn_16_2": partial(wide_resnet, 16, 2),
    "wrn_40_2": partial(wide_resnet, 40, 2),
    "vgg8": partial(vgg, 1),
    "vgg13": partial(vgg, 2),
    "convnet_small": partial(convnet, (16, 32, 80), 5),
    "convnet_wide": partial(convnet, (64, 120, 200), 3),
}


def names() -> tuple[str, ...]:
    """Names of the networks for small images."""
    return tuple(_NETWORKS)


def canonical_name(name: str) -> str | None:
    """The name under which a network is listed, or None if there is none.

    Papers write hyphens, as in ``wrn-16-2``.
    """
    name = name.lower().replace("-", "_")
    return name if name in _NETWORKS else None


def create(name: str, num_classes: int, in_channels: int = 3) -> StagedNetwork:
    """Creates a network for small images with random weights.

    Args:
        name: One of `names()`, in either spelling.
        num_classes: Number of classes.
        in_channels: Channels of the images.

    Raises:
        UserError: If there is no such network.
    """
    canonical = canonical_name(name)
    if canonical is None:
        raise UserError(
            f"no network for small images is called {name!r}; known: {', '.join(_NETWORKS)}."
        )
    return _NETWORKS[canonical](num_classes, in_channels)
