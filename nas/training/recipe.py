"""What the training of a network needs to know of the kind of its task."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import torch
from torch import Tensor, nn

from nas.distillation.terms import Kind as Outputs
from nas.models.encoder import fingerprint
from nas.tasks import Task
from nas.training.loop import Batch, Batches
from nas.training.schedule import Schedule
from nas.training.scoring import ScoreCard
from nas.training.stage_settings import StageTraining
from nas.training.teaching import Teaching
from nas.training.trainer import Monitor
from nas.training.update import Update
from nas.training.views import ViewsName

QUALITY = "quality"
"""Name of the monitor that follows the quality that the caller of a training gives."""


class BatchLoss(Protocol):
    """Runs a network on a batch and gives the scalar to be minimised."""

    def __call__(self, batch: Batch) -> Tensor: ...

    def parts(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss on the labels and those towards the teacher by name, all without weights."""

    def means(self) -> dict[str, float]:
        """Means of the parts of the loss since the last call."""


TaskT = TypeVar("TaskT", bound=Task)
SettingsT = TypeVar("SettingsT", bound=StageTraining)


class Recipe(ABC, Generic[TaskT, SettingsT]):
    """How networks for one kind of task are trained and scored.

    Attributes:
        name: Of the kind.
        outputs: What logits are of: an image (classification) or its pixels (segmentation).
    """

    name: ClassVar[str]
    outputs: ClassVar[Outputs] = "classification"

    @abstractmethod
    def check(
        self, network: nn.Module, task: TaskT, settings: SettingsT, teaching: Teaching
    ) -> None:
        """Refuses a training that cannot work, and settings that would have no effect.

        Args:
            network: On the device of the training; left as it is.
            task: The data.
            settings: Of the training.
            teaching: Of the training.

        Raises:
            UserError: One sentence that says which.
        """

    @abstractmethod
    def batches(
        self, task: TaskT, settings: SettingsT, teaching: Teaching, device: torch.device, seed: int
    ) -> Batches:
        """Shuffled, augmented batches of the training split."""

    @abstractmethod
    def loss(
        self,
        network: nn.Module,
        task: TaskT,
        settings: SettingsT,
        teaching: Teaching,
        device: torch.device,
    ) -> BatchLoss:
        """What is minimised."""

    @abstractmethod
    def update(
        self, network: nn.Module, settings: SettingsT, teaching: Teaching, device: torch.device
    ) -> Update:
        """The optimisers of the network's parts and of what learns within the losses."""

    @abstractmethod
    def frozen_statistics(self, network: nn.Module, settings: SettingsT) -> tuple[nn.Module, ...]:
        """Modules whose batch norms keep their statistics, besides those that are frozen."""

    @abstractmethod
    def schedule(self, settings: SettingsT) -> Schedule:
        """The learning rate over the training."""

    @abstractmethod
    def monitors(self, settings: SettingsT) -> tuple[Monitor, ...]:
        """The scores that decide which weights are best: figures of the card, or `QUALITY`."""

    @abstractmethod
    def score(
        self,
        network: nn.Module,
        task: TaskT,
        split: str,
        device: torch.device,
        views: ViewsName = "none",
    ) -> ScoreCard:
        """Scores a network, already in evaluation mode, on a split; nothing in it is random.

        Args:
            network: Gives the logits of normalised images.
            task: The data.
            split: train, validation or test.
            device: Where the images are put for it.
            views: Views of each image whose logits are averaged.
        """

    def quality(self, card: ScoreCard) -> float:
        """What is better, where the caller of a training does not say: the mean F1."""
        return card.macro["f1"]

    def fingerprint(self, network: nn.Module) -> str:
        """A short text that changes with any weight of a network."""
        return fingerprint(network.state_dict())


AnyRecipe = Recipe[Any, Any]
