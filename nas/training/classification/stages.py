"""A training in several stages, each with its own losses and its own frozen parts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from nas.distillation.distiller import Distiller
from nas.distillation.places import LAST_STRIDE, survey
from nas.errors import UserError, sentence
from nas.settings import overridden, validate
from nas.tasks import ClassificationTask
from nas.training import checkpoint
from nas.training.classification.fitting import fit_classifier
from nas.training.classification.freezing import all_but, modules_at
from nas.training.classification.settings import ClassifierFitSettings
from nas.training.classification.stage_settings import INITIAL, StageSettings, check_stages
from nas.training.classification.teaching import Teaching, check
from nas.training.seeding import derive, seeded
from nas.training.trainer import EpochRecord, FitResult

_ON_LAST_MAP = ("feature_mse", "hint", "mgd", "nst")
"""Losses that take the last map of a network unless told otherwise."""


@dataclass(frozen=True)
class StageResult:
    """What a stage came to: its training, and the network's weights after it."""

    name: str
    fit: FitResult
    weights: dict[str, Tensor]


def try_stages(
    network: nn.Module,
    task: ClassificationTask,
    stages: Sequence[StageSettings],
    common: ClassifierFitSettings,
    *,
    device: torch.device,
    teacher: nn.Module | None = None,
) -> None:
    """Refuses stages that cannot work for these networks; nothing is trained.

    Args:
        network: Moved to the device, and otherwise left as it is.
        task: The data.
        stages: In order.
        common: Settings of the training, unless a stage has its own.
        device: Where.
        teacher: A network that gives logits, or None.

    Raises:
        UserError: One sentence that says which stage and why.
    """
    check_stages(stages, teacher is not None)
    network.to(device)
    runner = _Runner(network, task, common, device, 0, teacher, "")
    for stage in stages:
        with _named(stage.name if len(stages) > 1 else ""):
            runner.check(stage)


def run_stages(
    network: nn.Module,
    task: ClassificationTask,
    stages: Sequence[StageSettings],
    common: ClassifierFitSettings,
    *,
    device: torch.device,
    seed: int,
    folder: Path,
    teacher: nn.Module | None = None,
    teacher_identity: str = "",
    on_epoch: Callable[[str, EpochRecord, int], None] = lambda stage, record, epochs: None,
) -> list[StageResult]:
    """Trains a network stage by stage; it ends with the weights of the last stage.

    A run that was cut off goes on from its last epoch; finished stages are not trained again.

    Args:
        network: Trained in place.
        task: The data; its test split is not read.
        stages: In order.
        common: Settings of the training, unless a stage has its own.
        device: Where.
        seed: Of everything random but the network's first weights.
        folder: Where the checkpoint of each stage is kept.
        teacher: A network that gives logits, or None.
        teacher_identity: Changes with the teacher's weights.
        on_epoch: Told (name of the stage, the epoch, its number of epochs).

    Raises:
        UserError: If a stage names a module that is not there, cannot work, or its checkpoint is
            of other settings.
    """
    # Every stage is tried before the first is trained: a wrong path in the last one must not cost
    # the hours of those before.
    try_stages(network, task, stages, common, device=device, teacher=teacher)
    runner = _Runner(network, task, common, device, seed, teacher, teacher_identity)
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
class _Runner:
    network: nn.Module
    task: ClassificationTask
    common: ClassifierFitSettings
    device: torch.device
    seed: int
    teacher: nn.Module | None
    teacher_identity: str

    def check(self, stage: StageSettings) -> None:
        check(self.network, self.task, self._settings(stage), self._teaching(stage))

    def run(
        self,
        stage: StageSettings,
        path: Path,
        start: str,
        on_epoch: Callable[[str, EpochRecord, int], None],
    ) -> FitResult:
        settings, teaching = self._settings(stage), self._teaching(stage, start)
        return fit_classifier(
            self.network,
            self.task,
            settings,
            device=self.device,
            seed=derive(self.seed, stage.name),
            teaching=teaching,
            resume=path,
            on_epoch=lambda record: on_epoch(stage.name, record, settings.epochs),
        )

    def _settings(self, stage: StageSettings) -> ClassifierFitSettings:
        values = overridden(self.common.model_dump(mode="json"), stage.training)
        return validate(ClassifierFitSettings, values, "training")

    def _teaching(self, stage: StageSettings, start: str = INITIAL) -> Teaching:
        trained = modules_at(self.network, stage.train, "train").values()
        kept = modules_at(self.network, stage.freeze, "freeze").values()
        rates = modules_at(self.network, tuple(stage.rates), "rates")
        return Teaching(
            distiller=self._distiller(stage),
            identity=f"{start} {self.teacher_identity} {stage.losses!r}",
            task_weight=stage.task_weight,
            frozen=all_but(self.network, set(trained)) if trained else tuple(kept),
            rates={module: stage.rates[path] for path, module in rates.items()},
        )

    def _distiller(self, stage: StageSettings) -> Distiller | None:
        if not stage.losses or self.teacher is None:
            return None
        input_shape = (1, 3, *self.task.input_size)
        try:
            with seeded(self.seed, "distiller", stage.name):
                return Distiller(
                    stage.losses,
                    self.network,
                    self.teacher,
                    input_shape,
                    num_classes=self.task.num_classes,
                    kind="classification",
                    until=_until(stage, self.network, input_shape),
                )
        except ValueError as error:
            raise UserError(sentence(str(error))) from error


@contextmanager
def _named(stage: str) -> Iterator[None]:
    """A block whose errors begin with the name of a stage, if there is one."""
    try:
        yield
    except UserError as error:
        raise UserError(f"stage {stage}: {error}" if stage else str(error)) from error


def _until(stage: StageSettings, network: nn.Module, input_shape: tuple[int, ...]) -> str | None:
    """Where the student's run may stop: what lies behind a single hint learns nothing from it."""
    if stage.task_weight > 0 or len(stage.losses) > 1 or stage.losses[0].compares != "features":
        return None
    (loss,) = stage.losses
    place = loss.student
    if place is None and loss.method in _ON_LAST_MAP:
        place = LAST_STRIDE
    if place is None:
        return None
    places = survey(network, input_shape)
    # A run stops after the first call of a module, and the last one is compared.
    return None if places.find(place) in places.repeated else place
