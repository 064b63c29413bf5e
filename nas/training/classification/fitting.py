"""Full training of a classifier, with or without a teacher."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from nas.tasks import ClassificationTask
from nas.tasks.classification.mixing import Mixing
from nas.training.classification.batches import LabelledBatches
from nas.training.classification.checks import check
from nas.training.classification.objective import ClassificationLoss, LogitsTerm
from nas.training.classification.scoring import score_classifier
from nas.training.classification.settings import ClassifierFitSettings
from nas.training.freezing import frozen, groups
from nas.training.images import Normaliser
from nas.training.loop import Loop
from nas.training.objective import balanced_weights
from nas.training.precision import loss_scaler
from nas.training.schedule import Schedule
from nas.training.seeding import derive
from nas.training.teaching import Teaching
from nas.training.trainer import EpochRecord, FitResult, Monitor, Training, run, structure
from nas.training.update import Group, Update, loss_groups

_NO_CLASS = -100


@dataclass(frozen=True)
class KnownLogits:
    """A teacher's logits of the training images, as they are without augmentation.

    Attributes:
        logits: N x classes.
        term: The loss towards them.
    """

    logits: torch.Tensor
    term: LogitsTerm


def fit_classifier(
    network: nn.Module,
    task: ClassificationTask,
    settings: ClassifierFitSettings,
    *,
    device: torch.device,
    seed: int,
    teaching: Teaching | None = None,
    resume: Path | None = None,
    on_epoch: Callable[[EpochRecord], None] = lambda record: None,
) -> FitResult:
    """Trains on the train split and keeps the epoch that is best on the validation split.

    Args:
        network: Trained in place; gives the logits of normalised images.
        task: The data; its test split is not read.
        settings: How.
        device: Where.
        seed: Of order, augmentation, mixing and dropout.
        teaching: Teacher and frozen parts, or None to learn from labels alone.
        resume: A checkpoint, written after every epoch; if it is there, training goes on from it.
        on_epoch: Told of every epoch.

    Raises:
        DivergedError: If the loss is no longer finite.
        UserError: If nothing is left to learn, settings exclude each other, or the checkpoint
            belongs to another training.
    """
    teaching = teaching or Teaching()
    network.to(device)
    if teaching.distiller is not None:
        teaching.distiller.to(device)
    check(network, task, settings, teaching)
    with frozen(teaching.frozen):
        training = training_of(network, task, settings, device, seed, teaching)
        return run(training, resume, on_epoch)


def training_of(
    network: nn.Module,
    task: ClassificationTask,
    settings: ClassifierFitSettings,
    device: torch.device,
    seed: int,
    teaching: Teaching,
    known: KnownLogits | None = None,
) -> Training:
    """A training that has not begun.

    Args:
        network: On the device; trained in place.
        task: The data; its test split is not read.
        settings: How.
        device: Where.
        seed: Of order, augmentation, mixing and dropout.
        teaching: Teacher and frozen parts.
        known: Logits of the teacher that were computed before, instead of a distiller.
    """
    distiller = teaching.distiller
    loss = ClassificationLoss(
        forward=network,
        distiller=distiller,
        task_weight=teaching.task_weight,
        label_smoothing=settings.label_smoothing,
        class_weights=_class_weights(task, settings, device),
        r_drop=settings.r_drop,
        precision=settings.precision,
        logits_term=known.term if known else None,
    )
    loop = Loop(
        network=network,
        batches=_batches(task, settings, device, seed, known.logits if known else None),
        loss=loss,
        update=_update(network, settings, teaching, device),
        frozen_statistics=teaching.frozen_modules + _batch_norms(network, settings),
    )

    def scores() -> dict[str, float]:
        card = score_classifier(network, task, "validation", device)
        means = loss.means()
        return {
            **means,
            "accuracy": card.accuracy,
            "mean_class_accuracy": card.mean_class_accuracy,
            "macro_f1": card.macro_f1,
            "loss": card.loss,
        }

    schedule = Schedule(
        settings.schedule, settings.epochs, settings.warmup, settings.milestones, settings.gamma
    )
    return Training(
        network=network,
        loop=loop,
        schedule=schedule,
        scores=scores,
        monitors=teaching.monitors(
            tuple(Monitor(name, name == "loss") for name in settings.monitors)
        ),
        identity=_identity(network, task, settings, seed, teaching),
        seed=seed,
        companions=teaching.companions,
        burn_in=settings.burn_in,
        patience=settings.patience,
    )


def _update(
    network: nn.Module, settings: ClassifierFitSettings, teaching: Teaching, device: torch.device
) -> Update:
    base = Group(
        network,
        settings.optimiser,
        settings.learning_rate,
        settings.weight_decay,
        settings.momentum,
    )
    parts = groups(network, teaching.frozen_modules, teaching.rates, base)
    parts += loss_groups(teaching.distiller, settings.optimiser, settings.learning_rate)
    return Update(parts, settings.clip, settings.polyak, loss_scaler(device, settings.precision))


def _batches(
    task: ClassificationTask,
    settings: ClassifierFitSettings,
    device: torch.device,
    seed: int,
    teacher: torch.Tensor | None,
) -> LabelledBatches:
    data = task.dataset("train")
    mixing = None
    if settings.mixing != "none":
        mixing = Mixing(settings.mixing, settings.mixing_alpha, task.num_classes)
    return LabelledBatches(
        images=data.images,
        labels=data.targets,
        batch_size=min(settings.batch_size, len(data)),
        normalise=Normaliser(task.mean, task.std),
        augment=task.augmentation(settings.augmentation),
        mixing=mixing,
        device=device,
        seed=derive(seed, "batches"),
        teacher=teacher,
    )


def _batch_norms(network: nn.Module, settings: ClassifierFitSettings) -> tuple[nn.Module, ...]:
    if not settings.freeze_batch_norm:
        return ()
    return tuple(module for module in network.modules() if isinstance(module, _BatchNorm))


def _class_weights(
    task: ClassificationTask, settings: ClassifierFitSettings, device: torch.device
) -> torch.Tensor | None:
    if settings.class_weights == "equal":
        return None
    labels = task.dataset("train").targets
    return balanced_weights(labels, task.num_classes, _NO_CLASS).to(device)


def _identity(
    network: nn.Module,
    task: ClassificationTask,
    settings: ClassifierFitSettings,
    seed: int,
    teaching: Teaching,
) -> str:
    parts = (
        settings.model_dump_json(),
        task.fingerprint,
        structure(network),
        teaching.describe(network),
    )
    return str(derive(*parts, seed))
