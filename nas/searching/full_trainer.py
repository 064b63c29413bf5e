"""A candidate trained in full: as a finalist, to judge the scores of a search, or to be shipped."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from torch import nn

from nas.errors import UserError
from nas.files import read_json, write_json
from nas.kinds.ahead import Announce
from nas.kinds.kind import Prepared
from nas.kinds.network_file import FILE, NetworkDescription, load, save_network
from nas.kinds.teacher import checkpoint_model, load_teacher
from nas.models.network_settings import NetworkSettings
from nas.searching.assembly import make_space
from nas.searching.config import ImageSearchConfig, SearchConfig
from nas.searching.continuing import check_data
from nas.searching.full_training import FullTraining, Trained
from nas.searching.images import cache_of, data_of, load_task, reward_on
from nas.searching.run_folder import RunFolder
from nas.searching.study import read_study
from nas.tasks import Task
from nas.training.checkpoint import load_checkpoint
from nas.training.device import resolve_device
from nas.training.scoring import ScoreCard
from nas.training.seeding import derive, seeded
from nas.training.stage_settings import StageSettings
from nas.training.stages import StageTeacher, Subject, train_stages, try_stages
from nas.training.trainer import EpochRecord
from rewards import Reward
from search_spaces.genotype import Genotype
from search_spaces.space import SearchSpace

# Name of the only stage, unless several are given.
_WHOLE = "retrain"
_TRAINING = "training.json"

OnEpoch = Callable[[str, EpochRecord, int], None]
"""Told (name of the stage, the epoch, its number of epochs)."""


@dataclass(frozen=True)
class FullTrainer:
    """Trains candidates of a search in full; what they share is loaded once.

    Attributes:
        config: Of the search.
        how: How candidates are trained.
        evaluation: How the search evaluated, without a teacher if there is to be none.
        task: The data of the training: that of the search, unless options of it are changed.
        space: Its search space.
        prepared: What candidates of the search share.
    """

    config: ImageSearchConfig
    how: FullTraining
    evaluation: Any
    task: Task
    space: SearchSpace
    prepared: Prepared

    @classmethod
    def begin(
        cls, run: RunFolder, config: SearchConfig, how: FullTraining, announce: Announce
    ) -> Self:
        """Loads what is needed; what the search shared is made again where it is gone.

        Raises:
            UserError: If nothing was trained, there is no teacher to learn from, or nothing to
                learn from it, the device is absent, or changed options make it another task.
        """
        if not isinstance(config, ImageSearchConfig):
            raise UserError(f"{run.path}: it searched a table, which has no images to train on.")
        _check_teacher(config, how)
        task, space, device = load_task(config), make_space(config), resolve_device(how.device)
        check_data(read_study(run), data_of(task, config), run.path)
        evaluation = config.evaluation
        if not how.distill:
            distillation = evaluation.distillation.model_copy(update={"enabled": False})
            evaluation = evaluation.model_copy(update={"distillation": distillation})
        cache = cache_of(run, config)
        prepared = config.kind.prepare(
            task, evaluation, space, cache, device, config.seed, announce
        )
        if how.task_options:
            task = _changed_task(task, config, how.task_options)
            prepared = _with_teacher_for(task, prepared, evaluation)
        return cls(config, how, evaluation, task, space, prepared)

    def with_seed(self, seed: int) -> FullTrainer:
        """The same trainer with another seed."""
        return replace(self, how=replace(self.how, seed=seed))

    def build(self, genotype: Genotype) -> nn.Module:
        """The network before any training."""
        found = self._found(genotype)
        with seeded(self.how.seed, "retrain"):
            return self.config.kind.untrained(found, self.task, self.prepared.of(genotype))

    def train(
        self,
        genotype: Genotype,
        folder: Path,
        on_epoch: OnEpoch = lambda stage, record, epochs: None,
        say: Callable[[str], None] = lambda sentence: None,
    ) -> Trained:
        """Trains a candidate; an interrupted training resumes from its last epoch.

        Args:
            genotype: What is built.
            folder: Where the checkpoint of each stage is kept; see `forget`.
            on_epoch: Told of every epoch, after its checkpoint is written.
            say: Told what is measured before a stage.

        Raises:
            DivergedError: If the loss is no longer finite.
            UserError: If a stage cannot work, or the folder holds a training with other settings.
        """
        network, kind = self.build(genotype), self.config.kind
        subject = Subject(
            recipe=kind,
            network=network,
            task=self.task,
            common=self.how.training,
            device=self.prepared.device,
            quality=self.quality,
        )
        stages, teacher = self.stages, self.teacher
        # Refused before anything is spent on what comes before the stages.
        try_stages(subject, stages, teacher)
        if len(stages) > 1 or not _checkpoint(folder, stages[0]).exists():
            # Of a single stage, the checkpoint holds all that the warm-up gave.
            kind.warm_up(network, self.prepared.of(genotype), self.evaluation, self.how.seed)
        results = train_stages(
            subject,
            stages,
            seed=self.how.seed,
            folder=folder,
            teacher=teacher,
            on_epoch=on_epoch,
            say=say,
        )
        return Trained.of(kind.deployed(network).eval(), results)

    def reach(
        self,
        genotype: Genotype,
        folder: Path,
        epochs: int,
        on_epoch: OnEpoch = lambda stage, record, epochs: None,
        say: Callable[[str], None] = lambda sentence: None,
    ) -> nn.Module:
        """Trains a candidate up to an epoch of its single stage; a later call goes on from there.

        Args:
            genotype: What is built.
            folder: Where its checkpoint is kept.
            epochs: After which the training pauses.
            on_epoch: Told of every epoch, after its checkpoint is written.
            say: Told what is measured before the training.

        Returns:
            The network as it is deployed, with the weights of its best epoch so far.
        """
        (stage,) = self.stages
        path, kind = _checkpoint(folder, stage), self.config.kind

        def pause(name: str, record: EpochRecord, total: int) -> None:
            on_epoch(name, record, total)
            if epochs <= record.epoch + 1 < total:
                raise _PausedError

        state = load_checkpoint(path)
        if state is None or len(state["history"]) < epochs:
            try:
                return self.train(genotype, folder, pause, say).network
            except _PausedError:
                state = load_checkpoint(path)
        assert state is not None  # it is written before a training pauses
        network = self.build(genotype).to(self.prepared.device)
        monitor = kind.monitors(self.how.training)[0].name
        # During a burn-in no epoch is the best yet.
        network.load_state_dict(state["best"].get(monitor, state["network"]))
        return kind.deployed(network).eval()

    def forget(self, folder: Path) -> None:
        """Removes the checkpoints of a finished training."""
        for stage in self.stages:
            _checkpoint(folder, stage).unlink(missing_ok=True)

    def save(self, trained: Trained, genotype: Genotype, path: Path) -> None:
        """Writes the network of a training."""
        save_network(trained.network, self.describe(genotype), path)

    def describe(self, genotype: Genotype) -> NetworkDescription:
        """How the network of a candidate is built and fed."""
        found = self.config.kind.as_trained(self._found(genotype), self.task)
        return NetworkDescription.of(found, self.task)

    def keep(self, trained: Trained, genotype: Genotype, folder: Path) -> None:
        """Keeps a training for `kept`: its network, and what it came to."""
        self.save(trained, genotype, folder / FILE)
        record = {
            "identity": self._identity(genotype),
            "epochs": trained.epochs,
            "best_epoch": trained.best_epoch,
            "loss_weights": trained.loss_weights,
            "log": trained.log,
        }
        write_json(folder / _TRAINING, record)
        self.forget(folder)

    def kept(self, genotype: Genotype, folder: Path) -> Trained | None:
        """A training of the same candidate and settings that `keep` has kept, or None."""
        if not ((folder / _TRAINING).is_file() and (folder / FILE).is_file()):
            return None
        record = read_json(folder / _TRAINING)
        if record.pop("identity") != self._identity(genotype):
            return None
        log = [tuple(row) for row in record.pop("log")]
        network = load(folder).to(self.prepared.device)
        return Trained(network=network, log=log, **record)

    @property
    def teacher(self) -> StageTeacher | None:
        """The network that candidates learn from, or None.

        Raises:
            UserError: If a loss compares logits, and it knows other classes.
        """
        found = self.prepared.teacher
        if found is None:
            return None
        found.require_comparable(loss for stage in self.stages for loss in stage.losses)
        return StageTeacher(found.network, found.identity)

    @property
    def stages(self) -> tuple[StageSettings, ...]:
        """The stages of the training."""
        if self.how.stages:
            return self.how.stages
        losses = self.how.losses
        if self.how.distill and not losses:
            losses = self.config.retraining_losses
        return (StageSettings(name=_WHOLE, losses=losses),)

    @property
    def reward(self) -> Reward:
        """The reward of the search."""
        return reward_on(self.task, self.config)

    def quality(self, card: ScoreCard) -> float:
        """The quality of scores, as the search's reward sees it."""
        reward = self.reward
        return reward.quality(card.scored_by(reward.metric, self.task.classes).scores)

    def _found(self, genotype: Genotype) -> NetworkSettings:
        found: NetworkSettings = self.config.kind.found(self.space, genotype, self.evaluation)
        return found

    def _identity(self, genotype: Genotype) -> str:
        settings = {
            **self.how.settings(),
            "device": self.prepared.device.type,
            "stages": [stage.model_dump(mode="json") for stage in self.stages],
            "teacher": self.teacher.identity if self.teacher else None,
        }
        return f"{derive(genotype.to_json(), json.dumps(settings, sort_keys=True)):016x}"


class _PausedError(Exception):
    """A training has reached the epoch where it pauses."""


def _checkpoint(folder: Path, stage: StageSettings) -> Path:
    return folder / f"{stage.name}.pt"


def _changed_task(searched: Task, config: ImageSearchConfig, options: Mapping[str, Any]) -> Task:
    """The task of a search with other options.

    Raises:
        UserError: If the network of a search cannot be trained on it.
    """
    changed = {**config.task_options, **options}
    task = load_task(config.model_copy(update={"task_options": changed}))
    for what in ("classes", "channels"):
        before, now = getattr(searched, what), getattr(task, what)
        if before != now:
            raise UserError(
                f"task_options: with {dict(options)} the task has other {what} than the search's, "
                f"{now} and not {before}; a retraining can change the size of images, for example."
            )
    return task


def _with_teacher_for(task: Task, prepared: Prepared, evaluation: Any) -> Prepared:
    """What a search shared, with its teacher fed with the images of another task."""
    if prepared.teacher is None:
        return prepared
    settings = evaluation.teacher
    place, model = settings.run or prepared.teacher.path, checkpoint_model(settings)
    return replace(prepared, teacher=load_teacher(place, task, prepared.device, model))


def _check_teacher(config: ImageSearchConfig, how: FullTraining) -> None:
    if how.distill and not config.has_teacher:
        raise UserError(
            "the search had no teacher, so there is none to retrain with; "
            "leave out --distillation and its losses."
        )
    if how.distill and not (how.losses or how.stages or config.retraining_losses):
        raise UserError(
            "the search's configuration has no retraining_losses to learn from its teacher "
            "with; give --distill.method, or use --no-distillation."
        )
