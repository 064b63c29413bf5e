"""Trainings that are given a time instead of a number of epochs."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from nas.durations import duration
from nas.errors import UserError
from nas.training import checkpoint
from nas.training.loop import Batch, Batches
from nas.training.seeding import seeded

if TYPE_CHECKING:
    from nas.training.trainer import Training

_TIMED = 8
"""Steps that an epoch is judged by; two before them warm the machine up."""


@dataclass(frozen=True)
class _First:
    """The first batches of every epoch."""

    batches: Batches
    number: int

    def __len__(self) -> int:
        return min(self.number, len(self.batches))

    def epoch(self, index: int) -> Iterable[Batch]:
        return islice(self.batches.epoch(index), len(self))


def epochs_within(training: Training[Any], seconds: float) -> int:
    """How many epochs of a training, each scored at its end, take a time on this machine.

    A few steps and one scoring are timed, and undone.

    Args:
        training: Left as it is.
        seconds: For the whole training.

    Returns:
        At least 1.

    Raises:
        DivergedError: If the loss is not finite from the start.
        UserError: If the burn-in leaves none of these epochs.
    """
    loop, network = training.loop, training.network
    modules = (network, *training.companions.values())
    states = [checkpoint.snapshot(module) for module in modules]
    update = copy.deepcopy(loop.update.state_dict())
    took = {}
    with seeded(training.seed, "timing"):
        for number in (2, _TIMED):
            batches, start = _First(loop.batches, number), time.monotonic()
            # A rate of 0 costs the same and cannot diverge.
            replace(loop, batches=batches).epoch(0, lambda step: 0.0)
            took[len(batches)] = time.monotonic() - start
        start = time.monotonic()
        network.eval()
        training.scores()
        scoring = time.monotonic() - start
    for module, state in zip(modules, states, strict=True):
        module.load_state_dict(state)
    loop.update.load_state_dict(update)
    steps = max(took)
    epoch = took[steps] / steps * len(loop.batches) + scoring
    found = max(1, int(seconds / epoch))
    if found <= training.burn_in:
        raise UserError(
            f"an epoch takes about {duration(epoch)}, so {duration(seconds)} allow {found}, and a "
            f"burn_in of {training.burn_in} leaves none of them; give more time."
        )
    return found
