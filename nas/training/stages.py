"""A training in several stages, each with its own losses and its own frozen parts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from nas.distillation.distiller import Distiller
from nas.errors import UserError, sentence
from nas.tasks import Task
from nas.training import checkpoint
from nas.training.fit import fit
from nas.training.freezing import all_but, modules_at
from nas.training.recipe import AnyRecipe
from nas.training.scoring import Quality
from nas.training.seeding import derive, seeded
from nas.training.stage_settings import INITIAL, StageSettings, StageTraining, check_stages
from nas.training.teaching import Teaching
from nas.training.trainer import EpochRecord, FitResult


@dataclass(frozen=True)
class Subject:
    """What is trained in stages, each as by `fit`.

    Attributes:
        recipe: How networks of the task's kind are trained.
        network: On the device of the training, and trained in place; gives logits.
        task: The data; its test split is not read.
        common: Settings of the training, unless a stage has its own.
        device: Where.
        quality: What is best, where the recipe monitors a quality; the recipe's unless given.
    """

    recipe: AnyRecipe
    network: nn.Module
    task: Task
    common: StageTraining
    device: torch.device
    quality: Quality | None = None

    def __post_init__(self) -> None:
        self.network.to(self.device)


@dataclass(frozen=True)
class StageTeacher:
    """A network that stages learn from; the identity changes with its weights."""

    network: nn.Module
    identity: str


@dataclass(frozen=True)
class StageResult:
    """What a stage came to.

    Attributes:
        name: Of the stage.
        fit: Its training.
        weights: Of the network after it.
        losses: Weights of the losses towards the teacher, by their names.
    """

    name: str
    fit: FitResult
    weights: dict[str, Tensor]
    losses: dict[str, float]


def try_stages(
    subject: Subject, stages: Sequence[StageSettings], teacher: StageTeacher | None = None
) -> None:
    """Refuses stages that cannot work for these networks; nothing is trained.

    Args:
        subject: What is to be trained; left as it is.
        stages: In order.
        teacher: What the losses of the stages lead to.

    Raises:
        UserError: One sentence that says which stage and why.
    """
    check_stages(stages, teacher is not None)
    runner = _Runner(subject, 0, teacher)
    for stage in stages:
        with _named(stage.name if len(stages) > 1 else ""):
            runner.check(stage)


def train_stages(
    subject: Subject,
    stages: Sequence[StageSettings],
    *,
    seed: int,
    folder: Path,
    teacher: StageTeacher | None = None,
    on_epoch: Callable[[str, EpochRecord, int], None] = lambda stage, record, epochs: None,
    say: Callable[[str], None] = lambda sentence: None,
) -> list[StageResult]:
    """Trains a network stage by stage; it ends with the weights of the last stage.

    An interrupted run resumes from its last epoch; finished stages are not trained again.

    Args:
        subject: What is trained.
        stages: In order.
        seed: Of everything random but the network's first weights.
        folder: Where the checkpoint of each stage is kept.
        teacher: What the losses of the stages lead to.
        on_epoch: Told (name of the stage, the epoch, its number of epochs).
        say: Told what is measured before a stage.

    Raises:
        UserError: If a stage names a module that is not there, cannot work, or its checkpoint is
            of other settings.
    """
    # Every stage is tried before the first is trained: a wrong path in the last one must not cost
    # the hours of those before.
    try_stages(subject, stages, teacher)
    runner = _Runner(subject, seed, teacher)
    network = subject.network
    states = {INITIAL: checkpoint.snapshot(network)}
    results: list[StageResult] = []
    for stage in stages:
        start = stage.start or (results[-1].name if results else INITIAL)
        network.load_state_dict(states[start])
        runner.replace_parts(stage, states[INITIAL])
        path = folder / f"{stage.name}.pt"
        fit, losses = runner.run(stage, path, start, on_epoch, say)
        if not fit.learned:
            first, last = fit.history[0].loss, fit.history[-1].loss
            say(
                f"{stage.name}: the loss did not fall (from {first:.4g} in the first epoch to "
                f"{last:.4g} in the last); check the learning rate, the precision and the data"
            )
        states[stage.name] = checkpoint.snapshot(network)
        results.append(StageResult(stage.name, fit, states[stage.name], losses))
    return results


@dataclass(frozen=True)
class _Runner:
    subject: Subject
    seed: int
    teacher: StageTeacher | None

    def check(self, stage: StageSettings) -> None:
        subject = self.subject
        modules_at(subject.network, stage.fresh or (), "fresh")
        self._parts_of_teacher(stage)
        subject.recipe.check(
            subject.network,
            subject.task,
            stage.applied_to(subject.common),
            self._teaching(stage),
        )

    def replace_parts(self, stage: StageSettings, initial: Mapping[str, Tensor]) -> None:
        """Gives modules of the network the weights that the stage takes from elsewhere.

        Args:
            stage: Which stage.
            initial: The weights of the network before the first stage.
        """
        for path, module in modules_at(self.subject.network, stage.fresh or (), "fresh").items():
            start = f"{path}."
            module.load_state_dict(
                {k.removeprefix(start): v for k, v in initial.items() if k.startswith(start)}
            )
        for module, theirs in self._parts_of_teacher(stage):
            module.load_state_dict(theirs.state_dict())

    def _parts_of_teacher(self, stage: StageSettings) -> list[tuple[nn.Module, nn.Module]]:
        """The modules that start from the teacher, each with the teacher's."""
        if self.teacher is None or stage.from_teacher is None:
            return []
        ours = modules_at(self.subject.network, tuple(stage.from_teacher), "from_teacher")
        pairs = []
        for path, module in ours.items():
            name = stage.from_teacher[path]
            theirs = modules_at(self.teacher.network, (name,), "from_teacher, teacher")[name]
            if _shapes(module) != _shapes(theirs):
                raise UserError(
                    f"from_teacher: {path!r} has weights of other shapes than {name!r} of the "
                    f"teacher: {_shapes(module)} and {_shapes(theirs)}; choose modules that agree."
                )
            pairs.append((module, theirs))
        return pairs

    def run(
        self,
        stage: StageSettings,
        path: Path,
        start: str,
        on_epoch: Callable[[str, EpochRecord, int], None],
        say: Callable[[str], None],
    ) -> tuple[FitResult, dict[str, float]]:
        subject = self.subject
        settings = stage.applied_to(subject.common)
        teaching = replace(self._teaching(stage, start), say=say)
        result = fit(
            subject.recipe,
            subject.network,
            subject.task,
            settings,
            device=subject.device,
            seed=derive(self.seed, stage.name),
            quality=subject.quality,
            teaching=teaching,
            resume=path,
            on_epoch=lambda record: on_epoch(stage.name, record, record.planned),
        )
        return result, dict(teaching.distiller.weights) if teaching.distiller else {}

    def _teaching(self, stage: StageSettings, start: str = INITIAL) -> Teaching:
        network = self.subject.network
        trained = modules_at(network, stage.train, "train").values()
        kept = modules_at(network, stage.freeze, "freeze").values()
        rates = modules_at(network, tuple(stage.rates), "rates")
        taught_by = self.teacher.identity if self.teacher else ""
        parts = (stage.fresh, stage.from_teacher)
        # Stages without such parts keep the identity that they had before there were any.
        replaced = f" {parts!r}" if any(parts) else ""
        return Teaching(
            distiller=self._distiller(stage),
            identity=f"{start} {taught_by} {stage.losses!r}{replaced}",
            task_weight=stage.task_weight,
            frozen=all_but(network, set(trained)) if trained else tuple(kept),
            rates={module: stage.rates[path] for path, module in rates.items()},
        )

    def _distiller(self, stage: StageSettings) -> Distiller | None:
        if not stage.losses or self.teacher is None:
            return None
        subject = self.subject
        try:
            with seeded(self.seed, "distiller", stage.name):
                distiller = Distiller(
                    stage.losses,
                    subject.network,
                    self.teacher.network,
                    subject.task.input_shape,
                    num_classes=subject.task.num_classes,
                    kind=subject.recipe.outputs,
                )
        except ValueError as error:
            raise UserError(sentence(str(error))) from error
        if stage.task_weight == 0:
            distiller.stop_early()
        return distiller


def _shapes(module: nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in module.state_dict().items()}


@contextmanager
def _named(stage: str) -> Iterator[None]:
    """A block whose errors begin with the name of a stage, if there is one."""
    try:
        yield
    except UserError as error:
        raise UserError(f"stage {stage}: {error}" if stage else str(error)) from error
