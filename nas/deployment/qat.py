"""Quantisation-aware fine-tuning: an int8 file, trained as it is executed."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

import latency
from latency.exporting.fake_quantised import FakeQuantised
from nas.deployment.trained_network import experiment_of_training, search_of_training
from nas.distillation.terms import TermSettings
from nas.experiments.config import ExperimentConfig
from nas.files import read_json, replacing
from nas.kinds.kind import Teacher
from nas.kinds.network_file import METRICS
from nas.kinds.registry import kind_of
from nas.kinds.teacher import load_teacher, trained_teacher
from nas.models.encoder import fingerprint
from nas.searching.config import ImageSearchConfig
from nas.searching.images import cache_of
from nas.searching.run_folder import RunFolder
from nas.settings import overridden, validate
from nas.tasks import Task
from nas.training.seeding import derive
from nas.training.stage_settings import StageSettings, StageTraining
from nas.training.stages import StageTeacher, Subject, train_stages
from nas.training.trainer import EpochRecord

STAGE = "int8"
EPOCHS = 8
RATE_SHARE = 0.1
"""Of the lowest learning rate that a part of the network was trained with."""
_OFF = {"freeze_batch_norm": False, "patience": None, "time": None}
_ALIKE = 15.0
"""Decibels by which the outputs of the file are above their difference from PyTorch's."""

OnEpoch = Callable[[str, EpochRecord, int], None]


@dataclass(frozen=True)
class FineTuning:
    """How an int8 network is fine-tuned.

    Attributes:
        changes: Settings of the training by dotted key, where they are not as usual.
        seed: Of order and augmentation.
    """

    changes: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0


@dataclass(frozen=True)
class Lesson:
    """What an int8 network learns from.

    Attributes:
        training: Its settings.
        teacher: A network with the classes of the task.
        losses: Towards the teacher, on logits.
        name: Of the teacher, for the record.
        task_weight: Weight of the loss on the labels.
    """

    training: StageTraining
    teacher: StageTeacher
    losses: tuple[TermSettings, ...]
    name: str
    task_weight: float


def fine_tune(
    original: Path,
    quantised: Path,
    images: np.ndarray,
    lesson: Lesson,
    task: Task,
    device: torch.device,
    seed: int,
    on_epoch: OnEpoch = lambda stage, record, epochs: None,
    say: Callable[[str], None] = lambda sentence: None,
) -> dict[str, Any]:
    """Trains an int8 file, whose scores on the validation split choose the epoch.

    The file as it was is epoch 0, and stays where no other is better by the first figure of the
    kind of its task. An interrupted training resumes from its last epoch.

    Args:
        original: The float32 file.
        quantised: Its int8 version, which is replaced.
        images: Some as the files take them, to compare both: float32, N x C x H x W.
        lesson: What it learns from.
        task: Its images; the test split is not read.
        device: Where it is trained.
        seed: Of order and augmentation.
        on_epoch: Told of every epoch.
        say: Told what is measured before.

    Returns:
        A record: ``epochs``, ``best_epoch`` from 0, ``teacher``, and the settings as ``training``.

    Raises:
        ExportError: If the file has an operator that cannot be trained, or PyTorch computes
            something else than onnxruntime.
        UserError: If the settings cannot work, or a checkpoint is of other settings.
    """
    network = FakeQuantised(original, quantised)
    _check_alike(network, quantised, images)
    folder, kind = quantised.with_suffix(".training"), kind_of(task)

    def figure() -> float:
        card = kind.score(network.to(device).eval(), task, "validation", device)
        found = card.figures[kind.figures[0]]
        return -found if kind.first_figure_is_an_error else found

    before = figure()
    results = train_stages(
        Subject(kind, network, task, lesson.training, device),
        (StageSettings(name=STAGE, losses=lesson.losses, task_weight=lesson.task_weight),),
        seed=derive(seed, "int8"),
        folder=folder,
        teacher=lesson.teacher,
        on_epoch=on_epoch,
        say=say,
    )
    better = figure() > before
    if better:
        with replacing(quantised) as temporary:
            network.cpu().write(temporary)
    shutil.rmtree(folder)
    found = results[-1].fit
    return {
        "epochs": len(found.history),
        "best_epoch": found.best.epoch + 1 if better else 0,
        "teacher": lesson.name,
        "task_weight": lesson.task_weight,
        "losses": [loss.model_dump(mode="json") for loss in lesson.losses],
        "training": lesson.training.model_dump(mode="json"),
    }


def lesson_of(
    path: Path, network: nn.Module, task: Task, options: FineTuning, device: torch.device
) -> Lesson:
    """What the int8 version of a trained network learns from.

    That is the labels and the teacher that the network had, by its losses on logits, else the float
    network itself alone (Mishra and Marr, Apprentice, 2018, https://arxiv.org/abs/1711.05852).

    Args:
        path: The file of the network's weights.
        network: The float network.
        task: Its images.
        options: Of the user.
        device: Where teachers are put.

    Raises:
        UserError: If a setting is wrong, or the teacher of the network's training is gone.
    """
    search, experiment = search_of_training(path), experiment_of_training(path)
    if search is not None:
        training, taught = search[1].retraining, _taught_in_search(path, *search, task, device)
    elif experiment is not None:
        training, taught = experiment.training, _taught_in_experiment(experiment, task, device)
    else:
        training, taught = kind_of(task).retraining_settings(), None
    if taught is None:
        itself = StageTeacher(network.to(device).eval(), fingerprint(network.state_dict()))
        # What rounding has cost is all that there is to learn: labels would only move a network
        # that has learned from them already.
        taught = _Taught(itself, (TermSettings(method="logit_mse"),), "the float32 network", 0.0)
    gentle = _gentle(training, options)
    return Lesson(gentle, taught.teacher, taught.losses, taught.name, taught.task_weight)


@dataclass(frozen=True)
class _Taught:
    teacher: StageTeacher
    losses: tuple[TermSettings, ...]
    name: str
    task_weight: float = 1.0

    @classmethod
    def by(cls, found: Teacher, losses: tuple[TermSettings, ...]) -> _Taught | None:
        """By a teacher, unless it knows other classes."""
        if found.card is None:
            return None
        return cls(StageTeacher(found.network, found.identity), losses, str(found.path))


def _taught_in_search(
    path: Path, run: RunFolder, config: ImageSearchConfig, task: Task, device: torch.device
) -> _Taught | None:
    losses, metrics = _on_logits(config.retraining_losses), path.parent / METRICS
    distilled = not metrics.is_file() or read_json(metrics).get("distillation", True)
    if not (losses and distilled and config.has_teacher):
        return None
    settings, cache = config.evaluation.teacher, cache_of(run, config)
    return _Taught.by(trained_teacher(settings, task, cache, device, config.seed), losses)


def _taught_in_experiment(
    config: ExperimentConfig, task: Task, device: torch.device
) -> _Taught | None:
    losses = _on_logits(config.resolved_stages[-1].losses)
    if config.teacher is None or not losses:
        return None
    return _Taught.by(load_teacher(config.teacher, task, device, config.teacher_model), losses)


def _on_logits(losses: tuple[TermSettings, ...]) -> tuple[TermSettings, ...]:
    """Losses that need nothing of the network but its logits: the int8 file has no modules."""
    return tuple(
        loss for loss in losses if loss.compares == "logits" and not loss.info.needs_classifiers
    )


def _gentle(training: StageTraining, options: FineTuning) -> StageTraining:
    """The settings of a training that changes a trained network a little.

    Raises:
        UserError: If a setting is wrong.
    """
    known = training.model_dump(mode="json")
    # One rate for the whole file, which has no parts any more: that of its most careful part.
    rate = min(known[key] for key in ("learning_rate", "encoder_learning_rate") if key in known)
    usual: dict[str, Any] = {"epochs": EPOCHS, "learning_rate": rate * RATE_SHARE}
    # A file has no auxiliary heads, and batch norm is a part of its convolutions.
    usual |= {key: value for key, value in _OFF.items() if key in known}
    return validate(type(training), overridden({**known, **usual}, options.changes), "training")


def _check_alike(network: FakeQuantised, quantised: Path, images: np.ndarray) -> None:
    with torch.inference_mode():
        found = network.eval()(torch.from_numpy(images)).numpy()
    expected = latency.predictor(quantised)(images)
    decibels = latency.signal_to_noise(expected, found) if found.shape == expected.shape else 0.0
    if decibels < _ALIKE:
        raise latency.ExportError(
            f"{quantised}: PyTorch computes something else than onnxruntime ({decibels:.1f} dB), "
            "so it cannot be fine-tuned; leave --qat out."
        )
