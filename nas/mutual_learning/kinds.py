"""What differs between classification and segmentation where networks learn from each other."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional

import rewards
from nas.errors import UserError
from nas.kinds.segmentation.objective import SegmentationObjective
from nas.models.classifiers import create_classifier
from nas.models.segmentation import resize
from nas.mutual_learning.networks_file import (
    ClassifiersDescription,
    CutClassifier,
    CutEncoder,
    EncodersDescription,
    StudentsDescription,
)
from nas.mutual_learning.settings import (
    ClassificationMutualConfig,
    MutualConfig,
    SegmentationMutualConfig,
)
from nas.mutual_learning.splitting import split, split_encoder
from nas.mutual_learning.students import Students, under_one_decoder
from nas.tasks import ClassificationTask, SegmentationTask, Task
from nas.training.class_weights import class_weights
from nas.training.seeding import seeded

TaskLoss = Callable[[Tensor, Tensor], Tensor]
"""Of logits towards targets: labels N, shares N x classes, or masks N x H x W."""
_NO_CLASS = -100


class MutualKind(ABC):
    """What networks for one kind of task are made of, learn from and are judged by.

    Attributes:
        config: The configuration of a run.
        figure: What every path is judged by.
        batch: Images that are scored at once.
    """

    config: ClassVar[type[MutualConfig]]
    figure: ClassVar[str]
    batch: ClassVar[int]

    @abstractmethod
    def students(self, config: Any, task: Any, seed: int) -> Students:
        """The networks of a run with the weights that their training starts from.

        A network begins the same whatever the others are and however it learns.

        Raises:
            UserError: If a network cannot be had or cut, or the parts do not fit each other.
        """

    @abstractmethod
    def description(self, students: Students, config: Any, task: Any) -> StudentsDescription:
        """How the networks of a run are built and fed."""

    @abstractmethod
    def task_loss(self, config: Any, task: Any, device: torch.device) -> TaskLoss:
        """The loss towards the labels."""

    @abstractmethod
    def confusion(self, task: Any) -> rewards.SegmentationMeter:
        """Counts predictions; nothing is counted yet."""

    @abstractmethod
    def value(self, meter: rewards.SegmentationMeter, task: Any) -> float:
        """The figure of what was counted."""


class ClassificationMutual(MutualKind):
    """Classifiers, judged by accuracy."""

    config = ClassificationMutualConfig
    figure = "accuracy"
    batch = 256

    def students(
        self, config: ClassificationMutualConfig, task: ClassificationTask, seed: int
    ) -> Students:
        networks = {}
        for number, (name, student) in enumerate(zip(config.names, config.students, strict=True)):
            with seeded(seed, "weights", number):
                network = create_classifier(
                    student.model, task.num_classes, task.input_size, task.channels
                )
            networks[name] = split(network, config.cut_of(student), name)
        with seeded(seed, "adapters"):
            return Students(networks, task.input_shape, config.adapters is not None)

    def description(
        self, students: Students, config: ClassificationMutualConfig, task: ClassificationTask
    ) -> StudentsDescription:
        named = zip(config.names, config.students, strict=True)
        return ClassifiersDescription(
            networks=tuple(
                CutClassifier(
                    name=name,
                    model=student.model.as_built(students.student(number).network),
                    cut=config.cut_of(student),
                )
                for number, (name, student) in enumerate(named)
            ),
            adapted=config.adapters is not None,
            **_feed(task),
        )

    def task_loss(
        self, config: ClassificationMutualConfig, task: ClassificationTask, device: torch.device
    ) -> TaskLoss:
        settings, labels = config.training, task.dataset("train").targets
        weights = class_weights(settings.class_weights, labels, task.num_classes, _NO_CLASS, device)

        def loss(logits: Tensor, targets: Tensor) -> Tensor:
            return functional.cross_entropy(
                logits, targets, weight=weights, label_smoothing=settings.label_smoothing
            )

        return loss

    def confusion(self, task: ClassificationTask) -> rewards.SegmentationMeter:
        return rewards.SegmentationMeter(task.num_classes)

    def value(self, meter: rewards.SegmentationMeter, task: ClassificationTask) -> float:
        return float(meter.confusion.trace() / meter.confusion.sum())


class SegmentationMutual(MutualKind):
    """Encoders under one decoder, judged by the mean intersection over union of the classes."""

    config = SegmentationMutualConfig
    figure = "mean_iou"
    batch = 32

    def students(
        self, config: SegmentationMutualConfig, task: SegmentationTask, seed: int
    ) -> Students:
        encoders = {}
        for number, (name, student) in enumerate(zip(config.names, config.students, strict=True)):
            with seeded(seed, "weights", number):
                encoder = student.model.encoder(task.channels)
            encoders[name] = split_encoder(encoder, config.cut_of(student), name)
        with seeded(seed, "decoder"):
            return under_one_decoder(encoders, task.num_classes, task.input_shape)

    def description(
        self, students: Students, config: SegmentationMutualConfig, task: SegmentationTask
    ) -> StudentsDescription:
        networks = tuple(
            CutEncoder(name=name, model=student.model, cut=config.cut_of(student))
            for name, student in zip(config.names, config.students, strict=True)
        )
        return EncodersDescription(networks=networks, **_feed(task))

    def task_loss(
        self, config: SegmentationMutualConfig, task: SegmentationTask, device: torch.device
    ) -> TaskLoss:
        masks, ignored = task.dataset("train").targets, task.ignore_index
        objective = SegmentationObjective(
            ignored,
            class_weights=class_weights(
                config.training.class_weights, masks, task.num_classes, ignored, device
            ),
        )
        return lambda logits, targets: objective(logits, (), targets)

    def confusion(self, task: SegmentationTask) -> rewards.SegmentationMeter:
        return rewards.SegmentationMeter(task.num_classes, task.ignore_index)

    def value(self, meter: rewards.SegmentationMeter, task: SegmentationTask) -> float:
        return rewards.macro(rewards.class_scores(meter.confusion, task.classes)["iou"])


_KINDS: dict[str, MutualKind] = {
    "classification": ClassificationMutual(),
    "segmentation": SegmentationMutual(),
}


def mutual_kind(name: str) -> MutualKind:
    """What networks for a kind of task learn by.

    Raises:
        UserError: If networks for it do not learn from each other.
    """
    if name not in _KINDS:
        raise UserError(
            f"networks learn from each other in {' and '.join(_KINDS)} alone; this task is one of "
            f"{name}."
        )
    return _KINDS[name]


def create_students(config: MutualConfig, task: Task, seed: int) -> Students:
    """The networks of a run with the weights that their training starts from.

    Raises:
        UserError: If a network cannot be had or cut, or the parts do not fit each other.
    """
    return mutual_kind(task.kind).students(config, task, seed)


def predicted(logits: Tensor, targets: Tensor) -> Tensor:
    """The most probable class of every image or, at the size of the masks, of every pixel."""
    if targets.ndim == 3:
        logits = resize(logits, targets.shape[-2:])
    return logits.argmax(dim=1)


def _feed(task: Task) -> dict[str, Any]:
    return {
        "classes": task.classes,
        "input_size": task.input_size,
        "mean": tuple(task.mean),
        "std": tuple(task.std),
    }
