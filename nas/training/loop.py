"""The training loop that every stage shares."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from nas.errors import UserError
from nas.long_steps import LongStep
from nas.training.cpu_faults import around_cpu_faults
from nas.training.update import Update

Inputs = Any
"""Normalised images, or the encoder's maps of them."""


class DivergedError(RuntimeError):
    """The loss is no longer a finite number, or has grown without bounds."""


class StalledError(RuntimeError):
    """The loss has not fallen for as many epochs as a training may go without."""


# Steps between two looks at the loss, each of which waits for the device.
_LOOK = 20


@contextmanager
def naming_diverged(what: str, key: str, settings: Any) -> Iterator[None]:
    """Says which training of a user's diverged, and what to do.

    Candidates of a search are none of them: they are failed trials.

    Args:
        what: What is trained, for example ``the teacher``.
        key: Its learning rate as ``--set`` takes it.
        settings: Of the training, with a ``learning_rate``.

    Raises:
        UserError: If the training in the block diverges.
    """
    try:
        yield
    except DivergedError as error:
        raise UserError(
            f"{what} diverged: {error}; train with a lower learning rate, for example --set "
            f"{key}={settings.learning_rate / 10:g}."
        ) from error


@dataclass(frozen=True)
class Batch:
    """What one update learns from.

    Attributes:
        inputs: Normalised images, or the encoder's maps of them.
        targets: Class of every pixel, N x H x W, or of every image, N; also shares of the classes,
            N x classes.
        teacher: Logits of the teacher, or None.
    """

    inputs: Inputs
    targets: Tensor
    teacher: Tensor | None = None


class Batches(Protocol):
    """A source of batches."""

    def __len__(self) -> int:
        """Number of batches of an epoch."""

    def epoch(self, index: int) -> Iterable[Batch]:
        """The batches of an epoch; the same index gives the same batches."""


@dataclass(frozen=True)
class Loop:
    """Trains a network by the epoch.

    Attributes:
        network: Put into training mode, except the modules in `frozen_statistics`.
        batches: Where batches come from.
        loss: Runs the network on a batch and gives the scalar to be minimised.
        update: How.
        frozen_statistics: Modules whose batch norms keep their statistics.
    """

    network: nn.Module
    batches: Batches
    loss: Callable[[Batch], Tensor]
    update: Update
    frozen_statistics: tuple[nn.Module, ...] = ()

    def epoch(self, index: int, scale: Callable[[int], float] = lambda step: 1.0) -> float:
        """Trains for an epoch.

        Args:
            index: Number of the epoch, from 0.
            scale: Factor of the learning rate at a step of the whole training.

        Returns:
            The mean loss over the batches.

        Raises:
            DivergedError: If the loss or a weight is infinite or not a number.
        """
        self.network.train()
        for module in self.frozen_statistics:
            module.eval()
        with around_cpu_faults(self.network):
            return train_epoch(self.batches, self._step, self.update.is_finite, index, scale)

    def _step(self, batch: Batch, scale: float) -> Tensor:
        self.update.zero_gradients()
        loss = self.loss(batch)
        self.update.backward(loss)
        self.update.step(scale)
        return loss.detach()


def train_epoch(
    batches: Batches,
    step: Callable[[Batch, float], Tensor],
    is_finite: Callable[[], bool],
    index: int,
    scale: Callable[[int], float],
) -> float:
    """Trains what is in training mode for an epoch.

    Args:
        batches: Where batches come from.
        step: One update, told the factor of the learning rate; gives the loss.
        is_finite: Whether every weight is a finite number.
        index: Number of the epoch, from 0.
        scale: Factor of the learning rate at a step of the whole training.

    Returns:
        The mean loss over the batches.

    Raises:
        DivergedError: If the loss or a weight is infinite or not a number.
    """
    losses: list[Tensor] = []
    # Epochs are told as they end, so that only a long one needs words between.
    told = LongStep(f"epoch {index + 1}, batches", len(batches), first=60.0)
    for number, batch in enumerate(batches.epoch(index)):
        losses.append(step(batch, scale(index * len(batches) + number)))
        told.advance()
        if number % _LOOK == _LOOK - 1 and not math.isfinite(loss := float(losses[-1])):
            raise DivergedError(f"the loss became {loss} in epoch {index}")
    mean = float(torch.stack(losses).mean())
    if not math.isfinite(mean):
        raise DivergedError(f"the loss became {mean} in epoch {index}")
    if not is_finite():
        # The last update can spoil the weights after a loss that was still finite.
        raise DivergedError(f"a weight is no longer a finite number in epoch {index}")
    return mean
