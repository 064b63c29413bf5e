"""A training from its first epoch to its best weights, which a kill only interrupts."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from torch import Tensor, nn

from nas.durations import duration
from nas.errors import UserError
from nas.training import checkpoint
from nas.training.loop import Batches
from nas.training.schedule import Schedule
from nas.training.seeding import seeded
from nas.training.timing import epochs_within


@dataclass(frozen=True)
class Monitor:
    """A score on the validation split whose best epoch is kept."""

    name: str
    smaller_is_better: bool = False

    def prefers(self, score: float, other: float) -> bool:
        """Whether a score is better than another one; what is not defined is never better."""
        if math.isnan(other):
            return not math.isnan(score)
        return score < other if self.smaller_is_better else score > other


@dataclass(frozen=True)
class EpochRecord:
    """What an epoch came to.

    Attributes:
        epoch: From 0.
        loss: Mean over the batches.
        score: That of the first monitor, on the validation split.
        best: Whether it is the best so far.
        scores: Those of all monitors, ``train_loss``, and whatever else was measured.
        improved: Names of the monitors that were never better.
        monitor: Name of the first monitor.
        planned: Number of epochs of the whole training.
        seconds: Wall time of the epoch, with its scores. Two runs of a training differ in it.
    """

    epoch: int
    loss: float
    score: float
    best: bool
    scores: dict[str, float] = field(default_factory=dict)
    improved: tuple[str, ...] = ()
    monitor: str = "score"
    planned: int = 0
    seconds: float = field(default=0.0, compare=False)


@dataclass(frozen=True)
class FitResult:
    """The whole training; the network holds the weights that are best for the first monitor.

    Attributes:
        history: Every epoch.
        best: The one that the network comes from.
        weights: Of the network, by the monitor that they are best for.
    """

    history: tuple[EpochRecord, ...]
    best: EpochRecord
    weights: dict[str, dict[str, Tensor]] = field(compare=False, repr=False)

    @property
    def learned(self) -> bool:
        """Whether the loss ever fell below that of the first epoch, if there were several."""
        first, *later = [record.loss for record in self.history]
        return not later or min(later) < first


class Resumable(Protocol):
    """The state of one optimiser or several, and the averages of the weights."""

    def swap_average(self) -> None:
        """See `nas.training.update.Update.swap_average`."""

    def state_dict(self) -> dict[str, Any]:
        """Everything that a resumed training needs besides the network's own state."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes back what `state_dict` gave."""


class EpochLoop(Protocol):
    """Trains by the epoch, as `nas.training.loop.Loop` does."""

    @property
    def batches(self) -> Batches:
        """Where batches come from."""

    @property
    def update(self) -> Resumable:
        """What is saved of its optimisers."""

    def epoch(self, index: int, scale: Callable[[int], float]) -> float:
        """See `nas.training.loop.Loop.epoch`."""


LoopT = TypeVar("LoopT", bound=EpochLoop)


@dataclass(frozen=True)
class Training(Generic[LoopT]):
    """What is trained, and what tells how good it is.

    Attributes:
        network: Its weights are kept where they are best.
        loop: Trains it by the epoch.
        schedule: Of the learning rates.
        scores: Those of the monitors for the network as it is, from the validation split;
            ``train_loss`` comes by itself.
        monitors: The first one decides which weights the network ends with.
        identity: Whatever makes this training another one than those of other settings.
        former_identity: The same as older checkpoints have it.
        seed: Of what is random within an epoch.
        companions: Modules that learn beside the network and are no part of it.
        begin: Called once before the first epoch of a training that does not continue another.
        advance: Told before every step how much of the training has passed, from 0 to 1.
        burn_in: Initial epochs that cannot become the best.
        patience: Stop after this many epochs without improvement; None never stops early.
        seconds: What the training may take, in place of the epochs of the schedule; None keeps
            these.
        say: Told, in a sentence, how many epochs that is.
    """

    network: nn.Module
    loop: LoopT
    schedule: Schedule
    scores: Callable[[], dict[str, float]]
    monitors: tuple[Monitor, ...]
    identity: str
    seed: int
    former_identity: str = ""
    companions: Mapping[str, nn.Module] = field(default_factory=dict)
    begin: Callable[[], None] = lambda: None
    advance: Callable[[float], None] = lambda progress: None
    burn_in: int = 0
    patience: int | None = None
    seconds: float | None = None
    say: Callable[[str], None] = lambda sentence: None

    def scale(self, step: int) -> float:
        """Tells of a step of the whole training, and gives the factor of its learning rate."""
        steps = len(self.loop.batches)
        self.advance(step / (self.schedule.epochs * steps))
        return self.schedule.factor(step, steps)


def run(
    training: Training[Any],
    resume: Path | None = None,
    on_epoch: Callable[[EpochRecord], None] = lambda record: None,
) -> FitResult:
    """Trains to the end.

    Args:
        training: Its network is trained in place.
        resume: A checkpoint, written after every epoch; if it is there, training goes on from it.
        on_epoch: Told of every epoch.

    Raises:
        DivergedError: If the loss is no longer finite.
        UserError: If the checkpoint belongs to another training, or too little time is given.
    """
    state = _State(training)
    if resume is not None:
        state.load(resume)
    if not state.begun:
        training.begin()
        state.plan()
    while not state.finished:
        record = state.epoch()
        if resume is not None:
            state.save(resume)
        on_epoch(record)
    return state.result()


class _State:
    """A training between two epochs."""

    def __init__(self, training: Training[Any]):
        self._training = training
        self._history: list[EpochRecord] = []
        self._weights: dict[str, dict[str, Tensor]] = {}

    @property
    def begun(self) -> bool:
        return bool(self._history)

    @property
    def finished(self) -> bool:
        if len(self._history) >= self._training.schedule.epochs:
            return True
        patience, best = self._training.patience, self._best
        return (
            patience is not None
            and best is not None
            and len(self._history) - 1 - best.epoch >= patience
        )

    def plan(self) -> None:
        """Finds the number of epochs of a training that is given a time."""
        training = self._training
        if training.seconds is None:
            return
        epochs = epochs_within(training, training.seconds)
        self._take_epochs(epochs)
        training.say(f"{duration(training.seconds)} are enough for about {epochs} epochs here")

    def _take_epochs(self, epochs: int) -> None:
        schedule = replace(self._training.schedule, epochs=epochs)
        self._training = replace(self._training, schedule=schedule)

    @property
    def _best(self) -> EpochRecord | None:
        return next((record for record in reversed(self._history) if record.best), None)

    def epoch(self) -> EpochRecord:
        """Trains and scores one epoch."""
        training, index = self._training, len(self._history)
        begun = time.monotonic()
        with seeded(training.seed, "training", index):
            loss = training.loop.epoch(index, training.scale)
        training.loop.update.swap_average()
        training.network.eval()
        scores = {"train_loss": loss, **training.scores()}
        improved = self._improved(scores) if index >= training.burn_in else ()
        for name in improved:
            self._weights[name] = checkpoint.snapshot(training.network)
        training.loop.update.swap_average()
        first = training.monitors[0].name
        record = EpochRecord(
            epoch=index,
            loss=loss,
            score=scores[first],
            best=first in improved,
            scores=scores,
            improved=improved,
            monitor=first,
            planned=training.schedule.epochs,
            seconds=time.monotonic() - begun,
        )
        self._history.append(record)
        return record

    def _improved(self, scores: dict[str, float]) -> tuple[str, ...]:
        names = []
        for monitor in self._training.monitors:
            best = [r.scores[monitor.name] for r in self._history if monitor.name in r.improved]
            if not best or monitor.prefers(scores[monitor.name], best[-1]):
                names.append(monitor.name)
        return tuple(names)

    def result(self) -> FitResult:
        """Puts the best weights into the network."""
        training, best = self._training, self._best
        assert best is not None  # the burn-in is shorter than the training
        training.network.load_state_dict(self._weights[training.monitors[0].name])
        training.network.eval()
        return FitResult(tuple(self._history), best, self._weights)

    def save(self, path: Path) -> None:
        """Writes a checkpoint."""
        training = self._training
        state = {
            "training": training.identity,
            "network": training.network.state_dict(),
            "companions": {k: module.state_dict() for k, module in training.companions.items()},
            "best": self._weights,
            "update": training.loop.update.state_dict(),
            "history": [asdict(record) for record in self._history],
            "epochs": training.schedule.epochs,
        }
        checkpoint.save_checkpoint(state, path)

    def load(self, path: Path) -> None:
        """Takes a checkpoint up, if there is one."""
        training = self._training
        state: dict[str, Any] | None = checkpoint.load_checkpoint(path)
        if state is None:
            return
        if state["training"] not in (training.identity, training.former_identity):
            raise UserError(
                f"{path}: this checkpoint belongs to a training with other settings; "
                "remove it or give the same settings."
            )
        if training.seconds is not None:
            self._take_epochs(state["epochs"])
        training.network.load_state_dict(state["network"])
        for name, module in training.companions.items():
            module.load_state_dict(state["companions"][name])
        training.loop.update.load_state_dict(state["update"])
        device = next(training.network.parameters()).device
        self._weights = {
            name: {key: value.to(device) for key, value in weights.items()}
            for name, weights in state["best"].items()
        }
        self._history = [
            EpochRecord(**{**record, "improved": tuple(record["improved"])})
            for record in state["history"]
        ]


def structure(module: nn.Module) -> str:
    """Names and shapes of a module's parameters and buffers, for `Training.identity`."""
    return repr([(key, tuple(value.shape)) for key, value in module.state_dict().items()])
