"""A phase in which a candidate is trained, and the epoch loop that may end it at a rung."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass

from nas.training.loop import DivergedError, Loop, StalledError
from nas.training.scoring import ScoreCard
from nas.training.seeding import seeded

# No training that begins with a loss comes back from so many times that loss.
_LOST = 1000


@dataclass(frozen=True)
class Phase:
    """One phase of the training of a candidate.

    Attributes:
        name: Key of its curve and of its seconds.
        loop: Trains by the epoch.
        epochs: How many.
        score: Scores what the loop has trained, on the validation split.
        rungs: Epochs, counted from 1, after which the candidate is scored on its way.
        rung_name: Name of the rung after an epoch.
        end: Name of the rung at its end.
        scale: Factor of the learning rate at a step of the whole phase.
        seed: Of what is random within an epoch; None where the caller has seeded.
    """

    name: str
    loop: Loop
    epochs: int
    score: Callable[[], ScoreCard]
    end: str
    rungs: tuple[int, ...] = ()
    rung_name: Callable[[int], str] = "epoch {}".format
    scale: Callable[[int], float] = lambda step: 1.0
    seed: int | None = None


@dataclass(frozen=True)
class PhaseResult:
    """What a phase came to.

    Attributes:
        curve: Mean loss of every epoch.
        card: The last scores.
        rung: Where they were taken.
        stopped: Whether training ended there before its time.
    """

    curve: list[float]
    card: ScoreCard
    rung: str
    stopped: bool


def run_phase(
    phase: Phase,
    decide: Callable[[str, ScoreCard], bool] = lambda rung, card: True,
    lap: Callable[[str], None] = lambda name: None,
    patience: int | None = None,
) -> PhaseResult:
    """Trains to the end of a phase; what it trained ends with the averaged weights.

    Args:
        phase: Its loop's network is trained in place.
        decide: Asked at every rung on the way, with its name and the scores there, whether to go
            on. The network has the averaged weights meanwhile.
        lap: Told the name of what has just been done, to take the time.
        patience: Epochs in a row in which the mean loss may stay above its smallest value; None is
            any number.

    Raises:
        DivergedError: If the loss is no longer finite, or a thousand times that of the first epoch.
        StalledError: If it has not fallen for too long.
    """
    curve: list[float] = []
    for epoch in range(1, phase.epochs + 1):
        curve.append(_train(phase, epoch - 1))
        lap(phase.name)
        _check(curve, patience)
        if epoch not in phase.rungs:
            continue
        with _averaged(phase.loop):
            card = phase.score()
        lap("score")
        rung = phase.rung_name(epoch)
        if not decide(rung, card):
            return PhaseResult(curve, card, rung, stopped=True)
    phase.loop.update.load_average()
    card = phase.score()
    lap("score")
    return PhaseResult(curve, card, phase.end, stopped=False)


def train_phase(phase: Phase) -> list[float]:
    """Trains to the end of a phase without scoring; returns the mean loss of every epoch."""
    curve = [_train(phase, index) for index in range(phase.epochs)]
    phase.loop.update.load_average()
    return curve


def _check(curve: list[float], patience: int | None) -> None:
    first, last = abs(curve[0]), curve[-1]
    if first > 0 and last > _LOST * first:
        raise DivergedError(f"the loss grew from {first:.3g} to {last:.3g} in {len(curve)} epochs")
    if patience is not None and len(curve) - 1 - curve.index(min(curve)) >= patience:
        raise StalledError(f"the loss has not fallen for {patience} epochs")


def _train(phase: Phase, index: int) -> float:
    with nullcontext() if phase.seed is None else seeded(phase.seed, "training", index):
        return phase.loop.epoch(index, phase.scale)


@contextmanager
def _averaged(loop: Loop) -> Iterator[None]:
    loop.update.swap_average()
    yield
    loop.update.swap_average()
