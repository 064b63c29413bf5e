"""A training in several stages, each with its own losses and its own frozen parts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Self, TypeVar

from pydantic import Field, model_validator
from torch import Tensor, nn

from nas.distillation.distiller import Distiller
from nas.distillation.terms import Kind, TermSettings
from nas.errors import UserError
from nas.settings import Settings, overridden, validate
from nas.training import checkpoint
from nas.training.freezing import all_but, modules_at
from nas.training.seeding import derive, seeded
from nas.training.teaching import Teaching
from nas.training.trainer import EpochRecord, FitResult

INITIAL = "initial"


class StageSettings(Settings):
    """One stage of a training.

    Attributes:
        name: Of the stage, for its files and for later stages.
        start: Name of the earlier stage whose weights it begins with, or ``initial``; null is the
            stage before.
        train: Paths of the modules that learn; empty for all that `freeze` does not name.
        freeze: Paths of the modules that stay as they are, batch-norm statistics included.
        rates: Factor of the learning rate by module path.
        task_weight: Weight of the loss on the labels.
        losses: Losses towards the teacher.
        training: Settings of the training that differ in this stage, by key.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9_-]+$")
    start: str | None = None
    train: tuple[str, ...] = ()
    freeze: tuple[str, ...] = ()
    rates: dict[str, float] = Field(default_factory=dict)
    task_weight: float = Field(1.0, ge=0)
    losses: tuple[TermSettings, ...] = ()
    training: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.train and self.freeze:
            raise ValueError(f"stage {self.name}: give train or freeze, not both")
        wrong = [path for path, rate in self.rates.items() if not rate > 0]
        if wrong:
            raise ValueError(f"stage {self.name}: the rate of {wrong[0]!r} must be above 0")
        if self.task_weight == 0 and not self.losses:
            raise ValueError(
                f"stage {self.name}: task_weight 0 without losses leaves nothing to learn"
            )
        return self


class StageTraining(Settings):
    """Settings of the training of a stage; those of each kind of task say more.

    Attributes:
        epochs: Passes over the training split.
    """

    epochs: int = Field(30, ge=1)


@dataclass(frozen=True)
class StageResult:
    """What a stage came to: its training, and the network's weights after it."""

    name: str
    fit: FitResult
    weights: dict[str, Tensor]


def check_stages(stages: Sequence[StageSettings], has_teacher: bool) -> None:
    """Refuses a list of stages that cannot be run in order.

    Raises:
        UserError: One sentence that says which stage and why.
    """
    if not stages:
        raise UserError("stages: give at least one.")
    known = [INITIAL]
    for stage in stages:
        if stage.name in known:
            raise UserError(f"stages: the name {stage.name!r} occurs twice or is reserved.")
        if stage.start is not None and stage.start not in known:
            raise UserError(
                f"stage {stage.name}: it starts from {stage.start!r}, which is no earlier stage; "
                f"choose one of {', '.join(known)}."
            )
        if stage.losses and not has_teacher:
            raise UserError(f"stage {stage.name}: its losses need a teacher; give --teacher.")
        known.append(stage.name)
    if has_teacher and not any(stage.losses for stage in stages):
        raise UserError("a teacher is given, but no stage has a loss towards it.")


S = TypeVar("S", bound=StageTraining)


OnEpoch = Callable[[EpochRecord], None]
Fit = Callable[[S, Teaching, int, Path, OnEpoch], FitResult]
"""Trains with (settings, what is learned from, seed, checkpoint, whom to tell of every epoch)."""


@dataclass(frozen=True)
class Subject(Generic[S]):
    """What is trained in stages.

    Attributes:
        network: Trained in place; gives logits.
        kind: Of its task.
        input_shape: N x channels x height x width of its images.
        num_classes: Channels of its logits.
        common: Settings of the training, unless a stage has its own.
        fit: Trains it.
        check: Refuses settings that cannot work for it.
    """

    network: nn.Module
    kind: Kind
    input_shape: tuple[int, int, int, int]
    num_classes: int
    common: S
    fit: Fit[S]
    check: Callable[[S, Teaching], None] = lambda settings, teaching: None


@dataclass(frozen=True)
class StageTeacher:
    """A network that stages learn from; the identity changes with its weights."""

    network: nn.Module
    identity: str


def train_stages(
    subject: Subject[S],
    stages: Sequence[StageSettings],
    *,
    seed: int,
    folder: Path,
    teacher: StageTeacher | None = None,
    on_epoch: Callable[[str, EpochRecord, int], None] = lambda stage, record, epochs: None,
) -> list[StageResult]:
    """Trains a network stage by stage; it ends with the weights of the last stage.

    A run that was cut off goes on from its last epoch; finished stages are not trained again.

    Args:
        subject: What is trained.
        stages: In order.
        seed: Of everything random but the network's first weights.
        folder: Where the checkpoint of each stage is kept.
        teacher: What the losses of the stages lead to.
        on_epoch: Told (name of the stage, the epoch, its number of epochs).

    Raises:
        UserError: If a stage names a module that is not there, cannot work, or its checkpoint is
            of other settings.
    """
    check_stages(stages, teacher is not None)
    runner = _Runner(subject, seed, teacher)
    # Every stage is prepared before the first is trained: a wrong path in the last one must not
    # cost the hours of those before.
    for stage in stages:
        runner.check(stage)
    network = subject.network
    states = {INITIAL: checkpoint.snapshot(network)}
    results: list[StageResult] = []
    for stage in stages:
        start = stage.start or (results[-1].name if results else INITIAL)
        network.load_state_dict(states[start])
        fit = runner.run(stage, folder / f"{stage.name}.pt", start, on_epoch)
        states[stage.name] = checkpoint.snapshot(network)
        results.append(StageResult(stage.name, fit, states[stage.name]))
    return results


@dataclass(frozen=True)
class _Runner(Generic[S]):
    subject: Subject[S]
    seed: int
    teacher: StageTeacher | None

    def check(self, stage: StageSettings) -> None:
        self.subject.check(self._settings(stage), self._teaching(stage))

    def run(
        self,
        stage: StageSettings,
        path: Path,
        start: str,
        on_epoch: Callable[[str, EpochRecord, int], None],
    ) -> FitResult:
        settings = self._settings(stage)
        return self.subject.fit(
            settings,
            self._teaching(stage, start),
            derive(self.seed, stage.name),
            path,
            lambda record: on_epoch(stage.name, record, settings.epochs),
        )

    def _settings(self, stage: StageSettings) -> S:
        common = self.subject.common
        values = overridden(common.model_dump(mode="json"), stage.training)
        return validate(type(common), values, f"stage {stage.name}, training")

    def _teaching(self, stage: StageSettings, start: str = INITIAL) -> Teaching:
        network, what = self.subject.network, f"stage {stage.name}"
        trained = modules_at(network, stage.train, f"{what}, train").values()
        kept = modules_at(network, stage.freeze, f"{what}, freeze").values()
        rates = modules_at(network, tuple(stage.rates), f"{what}, rates")
        taught_by = self.teacher.identity if self.teacher else ""
        return Teaching(
            distiller=self._distiller(stage),
            identity=f"{start} {taught_by} {stage.losses!r}",
            task_weight=stage.task_weight,
            frozen=all_but(network, set(trained)) if trained else tuple(kept),
            rates={module: stage.rates[path] for path, module in rates.items()},
        )

    def _distiller(self, stage: StageSettings) -> Distiller | None:
        if not stage.losses or self.teacher is None:
            return None
        try:
            with seeded(self.seed, "distiller", stage.name):
                return Distiller(
                    stage.losses,
                    self.subject.network,
                    self.teacher.network,
                    self.subject.input_shape,
                    num_classes=self.subject.num_classes,
                    kind=self.subject.kind,
                    until=_until(stage),
                )
        except ValueError as error:
            raise UserError(f"stage {stage.name}: {error}.".replace("..", ".")) from error


def _until(stage: StageSettings) -> str | None:
    """Where the student's run may stop: what lies behind a single hint learns nothing from it."""
    if stage.task_weight > 0 or len(stage.losses) > 1:
        return None
    (loss,) = stage.losses
    return loss.student if loss.compares == "features" else None
