"""The teacher: trained or loaded, checked before anybody learns from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nas.errors import UserError
from nas.evaluation.settings import TeacherSettings
from nas.models.encoder import Encoder, without_hub
from nas.models.segmentation import PlainDecoder, SegmentationNetwork
from nas.settings import read_yaml, validate
from nas.tasks import SegmentationTask
from nas.training.checkpoint import load_weights, save_weights
from nas.training.fitting import score_network, segmentation_subject
from nas.training.images import Normaliser
from nas.training.scoring import ScoreCard
from nas.training.seeding import seeded
from nas.training.stage_settings import StageSettings
from nas.training.stages import StageTeacher, train_stages, try_stages
from nas.training.trainer import EpochRecord

WEIGHTS = "model.safetensors"
CONFIG = "teacher.yaml"


@dataclass(frozen=True)
class Lesson:
    """What a network learns from another one.

    Attributes:
        teacher: The other network.
        stages: Stages of the training, with their losses.
    """

    teacher: StageTeacher
    stages: tuple[StageSettings, ...]


@dataclass(frozen=True)
class TeacherReport:
    """What is known of a teacher before the search.

    Attributes:
        macro: Mean F1, IoU and accuracy over the classes, on the validation split.
        f1: F1 of each class.
        chance: Mean F1 that guessing reaches.
        logits_shape: Channels, height and width of its logits.
        logits_mean: Mean of the logits.
        logits_std: Their standard deviation, over everything.
        logits_largest: The largest magnitude.
    """

    macro: dict[str, float]
    f1: dict[str, float]
    chance: float
    logits_shape: tuple[int, ...]
    logits_mean: float
    logits_std: float
    logits_largest: float

    def to_record(self) -> dict[str, Any]:
        """A JSON-serialisable form."""
        return asdict(self)


def build_teacher(settings: TeacherSettings, num_classes: int, seed: int) -> SegmentationNetwork:
    """The untrained network."""
    with seeded(seed, "teacher"):
        encoder = Encoder(settings.encoder, settings.strides)
        return SegmentationNetwork(encoder, PlainDecoder(encoder.channels, num_classes))


def check_buildable(settings: TeacherSettings, num_classes: int) -> None:
    """Refuses a teacher that cannot be made; timm's hub is not asked for its weights.

    Raises:
        UserError: If a name, an option or a file of weights is wrong.
    """
    _without_hub(settings, num_classes)


def check_lesson(
    settings: TeacherSettings, task: SegmentationTask, device: torch.device, lesson: Lesson
) -> None:
    """Refuses a lesson that cannot work for a network; nothing is trained or written.

    Raises:
        UserError: One sentence that says which stage and why.
    """
    network = _without_hub(settings, len(task.classes)).to(device)
    subject = segmentation_subject(network, task, settings.training, device, macro_f1)
    try_stages(subject, lesson.stages, lesson.teacher)


def _without_hub(settings: TeacherSettings, num_classes: int) -> SegmentationNetwork:
    encoder = without_hub(settings.encoder)
    return build_teacher(settings.model_copy(update={"encoder": encoder}), num_classes, 0)


def train_teacher(
    settings: TeacherSettings,
    task: SegmentationTask,
    folder: Path,
    device: torch.device,
    seed: int,
    on_epoch: Callable[[str, EpochRecord, int], None] = lambda stage, record, epochs: None,
    lesson: Lesson | None = None,
) -> SegmentationNetwork:
    """Trains a teacher, or loads the one that this folder already holds.

    A training that was cut off goes on from its last epoch.

    Args:
        settings: Network and training.
        task: The data.
        folder: Where the checkpoint and the weights are kept.
        device: Where it is trained.
        seed: Of weights, order and augmentation.
        on_epoch: Told (name of the stage, the epoch, its number of epochs).
        lesson: What it learns from another network in its turn, or None.

    Raises:
        UserError: If a stage cannot work.
    """
    network = build_teacher(settings, len(task.classes), seed).to(device)
    weights = folder / WEIGHTS
    if weights.exists():
        load_weights(network, weights)
        return network.eval()
    stages = lesson.stages if lesson else (StageSettings(name="teacher"),)
    train_stages(
        segmentation_subject(network, task, settings.training, device, macro_f1),
        stages,
        seed=seed,
        folder=folder,
        teacher=lesson.teacher if lesson else None,
        on_epoch=on_epoch,
    )
    save_weights(network, weights)
    for stage in stages:
        (folder / f"{stage.name}.pt").unlink()
    return network.eval()


def load_teacher(folder: Path, task: SegmentationTask, device: torch.device) -> SegmentationNetwork:
    """Loads a teacher that ``nas train`` made.

    Raises:
        UserError: If the folder holds none, or its classes are not the task's.
    """
    if not (folder / CONFIG).is_file():
        raise UserError(f"teacher {folder}: no {CONFIG} there; make a teacher with nas train.")
    record = read_yaml(folder / CONFIG)
    if record.get("classes") != list(task.classes):
        raise UserError(
            f"teacher {folder}: it was trained on other classes than those of task {task.name!r}."
        )
    settings = validate(TeacherSettings, record.get("teacher"), str(folder / CONFIG))
    # The weights of the file replace whatever the training started from.
    bare = settings.encoder.model_copy(update={"weights": "none"})
    settings = settings.model_copy(update={"encoder": bare})
    network = build_teacher(settings, len(task.classes), 0).to(device)
    load_weights(network, folder / WEIGHTS)
    return network.eval()


def check_teacher(
    network: SegmentationNetwork, task: SegmentationTask, device: torch.device
) -> TeacherReport:
    """Scores a teacher on the validation split and looks at its logits.

    Raises:
        UserError: If its logits are unusable, or it is no better than guessing.
    """
    card = score_network(network, task, "validation", device)
    images = task.dataset("validation").images[:32]
    with torch.inference_mode():
        logits = network(Normaliser(task.mean, task.std)(images, device)).float()
    report = _report(card, logits, chance(card))
    if not torch.isfinite(logits).all() or report.logits_std == 0:
        raise UserError("the teacher's logits are constant or not finite; train it again.")
    if report.macro["f1"] <= report.chance:
        raise UserError(
            f"the teacher is no better than chance on the validation images (mean F1 "
            f"{report.macro['f1']:.3f}, guessing reaches {report.chance:.3f}); train it longer "
            "or switch distillation off."
        )
    return report


def chance(card: ScoreCard) -> float:
    """Mean F1 that guessing reaches, over the classes that occur."""
    shares = card.confusion.sum(axis=1) / max(1, card.confusion.sum())
    occurring = shares[shares > 0]
    # Random classes in the labels' proportions reach an F1 of share for each class, which sums
    # to 1; the most frequent class alone reaches 2s / (1 + s), which is never more.
    return 1.0 / len(occurring)


def macro_f1(card: ScoreCard) -> float:
    """Mean F1 over the classes."""
    return card.macro["f1"]


def _report(card: ScoreCard, logits: Tensor, guessing: float) -> TeacherReport:
    return TeacherReport(
        macro=card.macro,
        f1=card.scores["f1"],
        chance=guessing,
        logits_shape=tuple(logits.shape[1:]),
        logits_mean=float(logits.mean()),
        logits_std=float(logits.std()),
        logits_largest=float(logits.abs().max()),
    )
