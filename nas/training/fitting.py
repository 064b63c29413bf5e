"""Full training of a segmentation network: teachers, encoders, retrained candidates."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from nas.models.segmentation import SegmentationNetwork
from nas.tasks import SegmentationTask
from nas.training.freezing import frozen, groups
from nas.training.images import ImageBatches, Normaliser
from nas.training.loop import Loop
from nas.training.objective import SegmentationLoss, SegmentationObjective, balanced_weights
from nas.training.precision import Precision, loss_scaler
from nas.training.schedule import Schedule
from nas.training.scoring import ScoreCard, predict, score
from nas.training.seeding import derive
from nas.training.stage_settings import StageTraining
from nas.training.stages import OnEpoch, Subject
from nas.training.teaching import Teaching, check_learning
from nas.training.trainer import EpochRecord, FitResult, Monitor, Training, run, structure
from nas.training.update import Group, OptimiserName, Update, loss_groups

ClassWeights = Literal["equal", "balanced"]

_QUALITY = "quality"


class FitSettings(StageTraining):
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


def fit(
    network: SegmentationNetwork,
    task: SegmentationTask,
    settings: FitSettings,
    *,
    device: torch.device,
    seed: int,
    quality: Callable[[ScoreCard], float],
    teaching: Teaching | None = None,
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
        teaching: Teacher and frozen parts, or None to learn from the masks alone.
        resume: A checkpoint, written after every epoch; if it is there, training goes on from it.
        on_epoch: Told of every epoch.

    Raises:
        DivergedError: If the loss is no longer finite.
        UserError: If nothing is left to learn, or the checkpoint belongs to another training.
    """
    teaching = teaching or Teaching()
    network.to(device)
    _check(network, task, teaching)
    if teaching.distiller is not None:
        teaching.distiller.to(device)
    with frozen(teaching.frozen):
        training = _training(network, task, settings, device, seed, quality, teaching)
        return run(training, resume, on_epoch)


def _training(
    network: SegmentationNetwork,
    task: SegmentationTask,
    settings: FitSettings,
    device: torch.device,
    seed: int,
    quality: Callable[[ScoreCard], float],
    teaching: Teaching,
) -> Training:
    objective = SegmentationObjective(
        task.ignore_index,
        settings.auxiliary_weight,
        class_weights=class_weights(settings.class_weights, task, device),
    )
    loss = SegmentationLoss(
        network.forward_with_auxiliary,
        objective,
        settings.precision,
        teaching.distiller,
        teaching.task_weight,
    )
    encoder = (network.encoder,) if settings.freeze_batch_norm else ()
    loop = Loop(
        network=network,
        batches=_batches(task, settings, device, seed),
        loss=loss,
        update=_update(network, settings, teaching, device),
        frozen_statistics=teaching.frozen_modules + encoder,
    )
    return Training(
        network=network,
        loop=loop,
        schedule=Schedule(settings.schedule, settings.epochs, settings.warmup),
        scores=lambda: {_QUALITY: quality(score_network(network, task, "validation", device))},
        monitors=teaching.monitors((Monitor(_QUALITY),)),
        identity=_identity(network, task, settings, seed, teaching),
        seed=seed,
        companions=teaching.companions,
        patience=settings.patience,
    )


def segmentation_subject(
    network: SegmentationNetwork,
    task: SegmentationTask,
    settings: FitSettings,
    device: torch.device,
    quality: Callable[[ScoreCard], float],
) -> Subject[FitSettings]:
    """A segmentation network that is trained in stages, each as by `fit`.

    Args:
        network: Trained in place.
        task: The data; its test split is not read.
        settings: Of every stage, unless it has its own.
        device: Where.
        quality: What is best, from the scores on the validation split.
    """

    def train(
        settings: FitSettings, teaching: Teaching, seed: int, resume: Path, on_epoch: OnEpoch
    ) -> FitResult:
        return fit(
            network,
            task,
            settings,
            device=device,
            seed=seed,
            quality=quality,
            teaching=teaching,
            resume=resume,
            on_epoch=on_epoch,
        )

    return Subject(
        network=network.to(device),
        kind="segmentation",
        input_shape=(1, 3, *task.input_size),
        num_classes=len(task.classes),
        common=settings,
        fit=train,
        check=lambda settings, teaching: _check(network, task, teaching),
    )


def _check(network: SegmentationNetwork, task: SegmentationTask, teaching: Teaching) -> None:
    height, width = task.input_size
    check_learning(network, teaching, (2, 3, height, width), (2, height, width))


def score_network(
    network: Callable[[Tensor], Tensor],
    task: SegmentationTask,
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
    return score(logits, data.targets, task.classes, task.ignore_index, task.groups)


def _update(
    network: SegmentationNetwork, settings: FitSettings, teaching: Teaching, device: torch.device
) -> Update:
    optimiser, decay = settings.optimiser, settings.weight_decay
    parts = []
    for module, rate in (
        (network.encoder, settings.encoder_learning_rate),
        (network.decoder, settings.learning_rate),
    ):
        within = set(module.modules())
        rates = {part: factor for part, factor in teaching.rates.items() if part in within}
        parts += groups(
            module, teaching.frozen_modules, rates, Group(module, optimiser, rate, decay)
        )
    parts += loss_groups(teaching.distiller, optimiser, settings.learning_rate)
    scaler = loss_scaler(device, settings.precision)
    return Update(parts, settings.clip, settings.polyak, scaler)


def _identity(
    network: SegmentationNetwork,
    task: SegmentationTask,
    settings: FitSettings,
    seed: int,
    teaching: Teaching,
) -> str:
    # More epochs change the schedule, so they too make another training.
    parts = (settings.model_dump_json(), task.fingerprint, structure(network))
    return str(derive(*parts, seed, teaching.describe(network)))


def class_weights(
    choice: ClassWeights, task: SegmentationTask, device: torch.device
) -> Tensor | None:
    """Weights of the classes for a task, from its train split, or None for equal ones."""
    if choice == "equal":
        return None
    masks = task.dataset("train").targets
    return balanced_weights(masks, len(task.classes), task.ignore_index).to(device)


def _batches(
    task: SegmentationTask, settings: FitSettings, device: torch.device, seed: int
) -> ImageBatches:
    data = task.dataset("train")
    return ImageBatches(
        images=data.images,
        masks=data.targets,
        batch_size=min(settings.batch_size, len(data)),
        normalise=Normaliser(task.mean, task.std),
        augment=task.transform(settings.augmentation),
        device=device,
        seed=derive(seed, "batches"),
    )
