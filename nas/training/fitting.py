"""Full training of a segmentation network: teachers, encoders, retrained candidates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from nas.distillation.base import DistillationLoss
from nas.errors import UserError
from nas.models.segmentation import SegmentationNetwork
from nas.settings import Settings
from nas.tasks import Task
from nas.training import checkpoint
from nas.training.images import ImageBatches, Normaliser, without_gradient
from nas.training.loop import Loop, Precision
from nas.training.objective import SegmentationObjective, balanced_weights
from nas.training.schedule import ScheduleName, factor
from nas.training.scoring import ScoreCard, predict, score
from nas.training.seeding import derive, seeded
from nas.training.update import Group, OptimiserName, Update, loss_groups

ClassWeights = Literal["equal", "balanced"]


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
        precision: float32 or bfloat16 for the forward pass.
        freeze_batch_norm: Keep the encoder's batch-norm statistics.
        patience: Stop after so many epochs without a better score; null never stops early.
    """

    epochs: int = Field(30, ge=1)
    batch_size: int = Field(16, ge=2)
    optimiser: OptimiserName = "adamw"
    learning_rate: float = Field(3e-3, gt=0)
    encoder_learning_rate: float = Field(1e-3, gt=0)
    weight_decay: float = Field(1e-4, ge=0)
    schedule: ScheduleName = "cosine"
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


@dataclass(frozen=True)
class EpochRecord:
    """What an epoch came to; `score` is the quality on the validation split."""

    epoch: int
    loss: float
    score: float
    best: bool


@dataclass(frozen=True)
class FitResult:
    """The whole training; the network holds the weights of the best epoch."""

    history: tuple[EpochRecord, ...]
    best: EpochRecord


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
    training = _Training(network, task, settings, device, seed, quality, distillation)
    if resume is not None:
        training.load(resume)
    while not training.finished:
        record = training.epoch()
        if resume is not None:
            training.save(resume)
        on_epoch(record)
    return training.result()


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


class _Training:
    """State of a training between two epochs."""

    def __init__(
        self,
        network: SegmentationNetwork,
        task: Task,
        settings: FitSettings,
        device: torch.device,
        seed: int,
        quality: Callable[[ScoreCard], float],
        distillation: Distillation | None,
    ):
        self._network, self._task, self._settings = network, task, settings
        self._device, self._seed, self._quality = device, seed, quality
        self._distillation = distillation and (
            repr(distillation.loss),
            distillation.weight,
            getattr(distillation.teacher, "fingerprint", ""),
        )
        loss = distillation.loss.to(device) if distillation else None
        # Only a loss that learns has a state worth saving.
        self._loss = loss if loss and any(True for _ in loss.parameters()) else None
        rates = (settings.encoder_learning_rate, settings.learning_rate)
        parts = (network.encoder, network.decoder)
        self._update = Update(
            [
                Group(part, settings.optimiser, rate, settings.weight_decay)
                for part, rate in zip(parts, rates, strict=True)
            ]
            + list(loss_groups(loss, settings.optimiser, settings.learning_rate)),
            settings.clip,
            settings.polyak,
        )
        self._batches = _batches(task, settings, device, seed, distillation)
        self._loop = Loop(
            network=network,
            forward=network.forward_with_auxiliary,
            batches=self._batches,
            objective=SegmentationObjective(
                task.ignore_index,
                settings.auxiliary_weight,
                loss,
                distillation.weight if distillation else 0.0,
                class_weights(settings.class_weights, task, device),
            ),
            update=self._update,
            precision=settings.precision,
            frozen_statistics=(network.encoder,) if settings.freeze_batch_norm else (),
        )
        self._history: list[EpochRecord] = []
        self._best_weights: dict[str, Tensor] = {}

    @property
    def finished(self) -> bool:
        if len(self._history) >= self._settings.epochs:
            return True
        patience = self._settings.patience
        return (
            patience is not None
            and bool(self._history)
            and len(self._history) - 1 - self._best.epoch >= patience
        )

    @property
    def _best(self) -> EpochRecord:
        return next(record for record in reversed(self._history) if record.best)

    def epoch(self) -> EpochRecord:
        """Trains and scores one epoch."""
        index = len(self._history)
        total = self._settings.epochs * len(self._batches)
        warmup = round(self._settings.warmup * total)
        with seeded(self._seed, "training", index):
            loss = self._loop.epoch(
                index, lambda step: factor(self._settings.schedule, step, total, warmup)
            )
        self._update.swap_average()
        quality = self._score()
        best = not self._history or quality > self._best.score
        if best:
            self._best_weights = checkpoint.snapshot(self._network)
        self._update.swap_average()
        self._history.append(EpochRecord(index, loss, quality, best))
        return self._history[-1]

    def _score(self) -> float:
        self._network.eval()
        return self._quality(score_network(self._network, self._task, "validation", self._device))

    def result(self) -> FitResult:
        """Puts the best weights into the network."""
        self._network.load_state_dict(self._best_weights)
        self._network.eval()
        return FitResult(tuple(self._history), self._best)

    def save(self, path: Path) -> None:
        """Writes a checkpoint."""
        state = {
            "training": self._identity(),
            "network": self._network.state_dict(),
            "best": self._best_weights,
            "loss": self._loss.state_dict() if self._loss else {},
            "update": self._update.state_dict(),
            "history": [asdict(record) for record in self._history],
        }
        checkpoint.save_checkpoint(state, path)

    def load(self, path: Path) -> None:
        """Takes a checkpoint up, if there is one."""
        state = checkpoint.load_checkpoint(path)
        if state is None:
            return
        if state["training"] != self._identity():
            raise UserError(
                f"{path}: this checkpoint belongs to a training with other settings; "
                "remove it or give the same settings."
            )
        self._network.load_state_dict(state["network"])
        if self._loss:
            self._loss.load_state_dict(state["loss"])
        self._update.load_state_dict(state["update"])
        self._best_weights = {k: v.to(self._device) for k, v in state["best"].items()}
        self._history = [EpochRecord(**record) for record in state["history"]]

    def _identity(self) -> str:
        # More epochs change the schedule, so they too make another training.
        shapes = [(key, tuple(t.shape)) for key, t in self._network.state_dict().items()]
        parts = (self._settings.model_dump_json(), self._task.fingerprint, repr(shapes))
        return str(derive(*parts, self._seed, repr(self._distillation)))


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
