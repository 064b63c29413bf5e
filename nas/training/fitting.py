"""Full training of a segmentation network: teachers, encoders, retrained candidates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from nas.distillation.base import DistillationLoss
from nas.models.segmentation import SegmentationNetwork
from nas.settings import Settings
from nas.tasks import Task
from nas.training.images import ImageBatches, Normaliser, without_gradient
from nas.training.loop import Loop
from nas.training.objective import SegmentationLoss, SegmentationObjective, balanced_weights
from nas.training.precision import Precision, loss_scaler
from nas.training.schedule import Schedule
from nas.training.scoring import ScoreCard, predict, score
from nas.training.seeding import derive
from nas.training.trainer import EpochRecord, FitResult, Monitor, Training, run, structure
from nas.training.update import Group, OptimiserName, Update, loss_groups

ClassWeights = Literal["equal", "balanced"]

_QUALITY = "quality"


class FitSettings(Settings):
    """How a whole network is trained.

    Attributes:
        epochs: Passes over the training split.
        batch_size: Images of an update.
        optimiser: adam, adamw or sgd, for all parts.
        learning_rate: Of the decoder.
        encoder_learning_rate: Of the encoder.
        weight_decay: Of all parts.
        schedule: constant, cosine or poly.
        warmup: Share of all updates with a rising learning rate.
        clip: Largest gradient norm of each part.
        polyak: Decay of the running average of the weights; null trains without.
        auxiliary_weight: Weight of each auxiliary head's loss.
        class_weights: equal, or balanced; see `balanced_weights`.
        augmentation: none, light or full.
        precision: float32, bfloat16 or float16 for the forward pass.
        freeze_batch_norm: Keep the encoder's batch-norm statistics.
        patience: Stop after so many epochs without a better score; null never stops early.
    """

    epochs: int = Field(30, ge=1)
    batch_size: int = Field(16, ge=2)
    optimiser: OptimiserName = "adamw"
    learning_rate: float = Field(3e-3, gt=0)
    encoder_learning_rate: float = Field(1e-3, gt=0)
    weight_decay: float = Field(1e-4, ge=0)
    schedule: Literal["constant", "cosine", "poly"] = "cosine"
    warmup: float = Field(0.1, ge=0, lt=1)
    clip: float | None = Field(3.0, gt=0)
    polyak: float | None = Field(0.98, gt=0, lt=1)
    auxiliary_weight: float = Field(0.15, ge=0)
    class_weights: ClassWeights = "balanced"
    augmentation: Literal["none", "light", "full"] = "full"
    precision: Precision = "float32"
    freeze_batch_norm: bool = False
    patience: int | None = Field(None, ge=1)


@dataclass(frozen=True)
class Distillation:
    """A teacher and the loss towards it.

    Attributes:
        teacher: Gives the logits of normalised images.
        loss: Compares logits; what learns within it is trained with the decoder's settings.
        weight: Of the loss.
    """

    teacher: Callable[[Tensor], Tensor]
    loss: DistillationLoss
    weight: float


def fit(
    network: SegmentationNetwork,
    task: Task,
    settings: FitSettings,
    *,
    device: torch.device,
    seed: int,
    quality: Callable[[ScoreCard], float],
    distillation: Distillation | None = None,
    resume: Path | None = None,
    on_epoch: Callable[[EpochRecord], None] = lambda record: None,
) -> FitResult:
    """Trains on the train split and keeps the epoch that is best on the validation split.

    Args:
        network: Trained in place.
        task: The data; its test split is not read.
        settings: How.
        device: Where.
        seed: Of the order and the augmentation.
        quality: What is best, from the scores on the validation split.
        distillation: Teacher and loss, or None.
        resume: A checkpoint, written after every epoch; if it is there, training goes on from it.
        on_epoch: Told of every epoch.

    Raises:
        DivergedError: If the loss is no longer finite.
        UserError: If the checkpoint belongs to another training.
    """
    network.to(device)
    loss = distillation.loss.to(device) if distillation else None
    objective = SegmentationObjective(
        task.ignore_index,
        settings.auxiliary_weight,
        loss,
        distillation.weight if distillation else 0.0,
        class_weights(settings.class_weights, task, device),
    )
    forward = network.forward_with_auxiliary
    loop = Loop(
        network=network,
        batches=_batches(task, settings, device, seed, distillation),
        loss=SegmentationLoss(forward, objective, settings.precision),
        update=_update(network, loss, settings, device),
        frozen_statistics=(network.encoder,) if settings.freeze_batch_norm else (),
    )
    training = Training(
        network=network,
        loop=loop,
        schedule=Schedule(settings.schedule, settings.epochs, settings.warmup),
        scores=lambda: {_QUALITY: quality(score_network(network, task, "validation", device))},
        monitors=(Monitor(_QUALITY),),
        identity=_identity(network, task, settings, seed, distillation),
        seed=seed,
        companions={"loss": loss} if loss is not None else {},
        patience=settings.patience,
    )
    return run(training, resume, on_epoch)


def score_network(
    network: Callable[[Tensor], Tensor],
    task: Task,
    split: str,
    device: torch.device,
    batch_size: int = 32,
) -> ScoreCard:
    """Scores a network, already in evaluation mode, on a split of a task."""
    data = task.dataset(split)
    normalise = Normaliser(task.mean, task.std)

    def forward(images: Tensor) -> Tensor:
        return network(normalise(images, device))

    logits = predict(forward, data.images, batch_size)
    return score(logits, data.masks, task.classes, task.ignore_index, task.groups)


def _update(
    network: SegmentationNetwork,
    loss: DistillationLoss | None,
    settings: FitSettings,
    device: torch.device,
) -> Update:
    optimiser, decay = settings.optimiser, settings.weight_decay
    groups = [
        Group(network.encoder, optimiser, settings.encoder_learning_rate, decay),
        Group(network.decoder, optimiser, settings.learning_rate, decay),
        *loss_groups(loss, optimiser, settings.learning_rate),
    ]
    scaler = loss_scaler(device, settings.precision)
    return Update(groups, settings.clip, settings.polyak, scaler)


def _identity(
    network: SegmentationNetwork,
    task: Task,
    settings: FitSettings,
    seed: int,
    distillation: Distillation | None,
) -> str:
    taught_by = distillation and (
        repr(distillation.loss),
        distillation.weight,
        getattr(distillation.teacher, "fingerprint", ""),
    )
    # More epochs change the schedule, so they too make another training.
    parts = (settings.model_dump_json(), task.fingerprint, structure(network))
    return str(derive(*parts, seed, repr(taught_by)))


def class_weights(choice: ClassWeights, task: Task, device: torch.device) -> Tensor | None:
    """Weights of the classes for a task, from its train split, or None for equal ones."""
    if choice == "equal":
        return None
    masks = task.dataset("train").masks
    return balanced_weights(masks, len(task.classes), task.ignore_index).to(device)


def _batches(
    task: Task,
    settings: FitSettings,
    device: torch.device,
    seed: int,
    distillation: Distillation | None,
) -> ImageBatches:
    data = task.dataset("train")
    return ImageBatches(
        images=data.images,
        masks=data.masks,
        batch_size=min(settings.batch_size, len(data)),
        normalise=Normaliser(task.mean, task.std),
        augment=task.transform(settings.augmentation),
        device=device,
        seed=derive(seed, "batches"),
        teacher=without_gradient(distillation.teacher) if distillation else None,
    )
