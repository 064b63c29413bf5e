"""Gives a network that was trained on other images those of a task as it wants them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from nas.errors import UserError
from nas.tasks import Task

_SMALLEST_DIFFERENCE = 1e-6


@dataclass(frozen=True)
class Feed:
    """How a network wants its images.

    Attributes:
        input_size: Height and width in pixels.
        mean: Of each channel, in 0 to 1.
        std: Standard deviation of each channel, likewise.
    """

    input_size: tuple[int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @classmethod
    def of(cls, task: Task) -> Feed:
        """How a task gives its images."""
        height, width = task.input_size
        return cls((height, width), tuple(task.mean), tuple(task.std))

    def is_close_to(self, other: Feed) -> bool:
        """Whether both want the same images, to rounding."""
        pairs = zip((*self.mean, *self.std), (*other.mean, *other.std), strict=True)
        return self.input_size == other.input_size and all(
            abs(one - another) <= _SMALLEST_DIFFERENCE for one, another in pairs
        )


def adapt(network: nn.Module, wanted: Feed, task: Task) -> str:
    """Lets a network take the normalised images of a task.

    They are normalised as the network wants them and then resized, before its forward pass; paths
    and weights of its modules stay what they were.

    Args:
        network: It gets a hook, unless it wants the images as they are.
        wanted: How it wants them.
        task: Gives them.

    Returns:
        What is done with the images, as a clause; empty if nothing is.

    Raises:
        UserError: If the network takes another number of channels.
    """
    given = Feed.of(task)
    if len(wanted.mean) != len(given.mean):
        raise UserError(
            f"it takes images of {len(wanted.mean)} channels, and those of task {task.name!r} have "
            f"{len(given.mean)}; use one that was trained on such images."
        )
    if wanted.is_close_to(given):
        return ""
    network.register_forward_pre_hook(_Conversion(given, wanted))
    done = []
    if wanted.input_size != given.input_size:
        done.append("resized from {}x{} to {}x{}".format(*given.input_size, *wanted.input_size))
    if (wanted.mean, wanted.std) != (given.mean, given.std):
        done.append("normalised as it was trained")
    return f"images are {' and '.join(done)}"


class _Conversion:
    """A hook that turns normalised images into others."""

    def __init__(self, given: Feed, wanted: Feed) -> None:
        self._size = wanted.input_size
        mean, std = (torch.tensor(values) for values in (given.mean, given.std))
        own_mean, own_std = (torch.tensor(values) for values in (wanted.mean, wanted.std))
        self._factor = (std / own_std)[None, :, None, None]
        self._summand = ((mean - own_mean) / own_std)[None, :, None, None]

    def __call__(self, network: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        images, *others = inputs
        return (self._converted(images), *others)

    def _converted(self, images: Tensor) -> Tensor:
        factor, summand = self._factor.to(images), self._summand.to(images)
        changed = torch.addcmul(summand, images, factor)
        if changed.shape[2:] == self._size:
            return changed
        return functional.interpolate(
            changed, self._size, mode="bilinear", align_corners=False, antialias=True
        )
