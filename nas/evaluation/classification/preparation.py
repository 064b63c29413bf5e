"""What all candidates of a search for classifiers share: the teacher and its logits."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from filelock import FileLock
from torch import Tensor, nn

from nas.distillation.distiller import Distiller
from nas.distillation.losses import create_loss
from nas.distillation.terms import TermSettings
from nas.errors import UserError, sentence
from nas.evaluation.ahead import Announce
from nas.evaluation.cache import cached_tensors
from nas.evaluation.classification.settings import (
    ClassifierDistillationSettings,
    ClassifierEvaluationSettings,
    ClassifierTeacherSettings,
)
from nas.models.classifier_file import ClassifierDescription, save_classifier
from nas.models.classifiers import IMAGENET, NONE, create_classifier
from nas.models.encoder import fingerprint
from nas.tasks import ClassificationTask
from nas.training.classification.fitting import KnownLogits, fit_classifier
from nas.training.classification.networks import MODEL, Teacher, load_teacher
from nas.training.classification.objective import LogitsTerm
from nas.training.images import Normaliser
from nas.training.scoring import predict
from nas.training.seeding import derive, seeded


@dataclass(frozen=True)
class PreparedClassifiers:
    """What all candidates share.

    Attributes:
        task: The data.
        teacher: The teacher in evaluation mode, or None.
        term: The loss towards it, or None.
        known: Its logits of the training images, where they are all that candidates need of it.
    """

    task: ClassificationTask
    teacher: Teacher | None
    term: TermSettings | None
    known: KnownLogits | None


def prepare_classifiers(
    task: ClassificationTask,
    settings: ClassifierEvaluationSettings,
    cache: Path,
    device: torch.device,
    seed: int,
    announce: Announce = lambda what, record, epochs: None,
) -> PreparedClassifiers:
    """Trains or loads what candidates share; everything lands in the cache folder.

    Several processes may call this at once: one works, the others wait and load.

    Raises:
        UserError: If the teacher cannot be made, was made for other data, or is useless.
    """
    if not settings.distillation.enabled:
        return PreparedClassifiers(task, None, None, None)
    cache.mkdir(parents=True, exist_ok=True)
    with FileLock(cache / "prepare.lock"):
        place = settings.teacher.run or str(
            _trained(task, settings.teacher, cache, device, seed, announce)
        )
        teacher = load_teacher(place, task, device)
        known = None
        if _logits_suffice(settings):
            logits = _logits(task, teacher.network, cache, device)
            known = KnownLogits(logits, _term(settings.distillation))
    return PreparedClassifiers(task, teacher, settings.distillation.term, known)


def check_teaching(
    task: ClassificationTask,
    settings: ClassifierEvaluationSettings,
    candidate: nn.Module,
    device: torch.device,
) -> None:
    """Refuses a teacher that cannot be made or taught from, before anything is trained.

    Whether weights can be had from timm's hub is not tried.

    Args:
        task: The data.
        settings: Of the evaluator.
        candidate: One of those that are to learn.
        device: Where.

    Raises:
        UserError: If a name, an option or a file is wrong, or the loss does not suit the networks.
    """
    if not settings.distillation.enabled:
        return
    if settings.teacher.run is not None:
        teacher = load_teacher(settings.teacher.run, task, device).network
    else:
        model = settings.teacher.model
        if model.weights == IMAGENET:
            model = model.model_copy(update={"weights": NONE})
        teacher = create_classifier(model, task.num_classes, task.input_size).to(device)
    try:
        make_distiller(task, settings.distillation.term, candidate.to(device), teacher)
    except ValueError as error:
        raise UserError(f"evaluation.distillation: {sentence(str(error))}") from error


def make_distiller(
    task: ClassificationTask, term: TermSettings, candidate: nn.Module, teacher: nn.Module
) -> Distiller:
    """Runs candidate and teacher side by side, for losses that need more than known logits.

    Raises:
        ValueError: If the loss does not suit the networks.
    """
    return Distiller(
        [term],
        candidate,
        teacher,
        (1, 3, *task.input_size),
        num_classes=task.num_classes,
        kind="classification",
    )


def _trained(
    task: ClassificationTask,
    settings: ClassifierTeacherSettings,
    cache: Path,
    device: torch.device,
    seed: int,
    announce: Announce,
) -> Path:
    folder = cache / f"teacher-{derive(settings.model_dump_json(), task.fingerprint, seed):016x}"
    path = folder / MODEL
    if path.exists():
        return path
    folder.mkdir(exist_ok=True)
    with seeded(seed, "teacher"):
        network = create_classifier(settings.model, task.num_classes, task.input_size)
    epochs = settings.training.epochs
    fit_classifier(
        network,
        task,
        settings.training,
        device=device,
        seed=derive(seed, "teacher"),
        resume=folder / "checkpoint.pt",
        on_epoch=lambda record: announce("teacher", record, epochs),
    )
    description = ClassifierDescription(
        network=settings.model,
        classes=task.classes,
        input_size=task.input_size,
        mean=task.mean,
        std=task.std,
    )
    save_classifier(network, description, path)
    (folder / "checkpoint.pt").unlink()
    return path


def _logits_suffice(settings: ClassifierEvaluationSettings) -> bool:
    """Whether the teacher always sees the images as they are, and only its logits count."""
    augmented = settings.training.augmentation != type(settings.training.augmentation).preset(
        "none"
    )
    return settings.distillation.term.compares == "logits" and not augmented


def _term(settings: ClassifierDistillationSettings) -> LogitsTerm:
    return LogitsTerm(create_loss(settings.method, **settings.options), settings.term.factor)


def _logits(
    task: ClassificationTask, teacher: nn.Module, cache: Path, device: torch.device
) -> Tensor:
    data = task.dataset("train")
    normalise = Normaliser(task.mean, task.std)

    def compute() -> dict[str, Tensor]:
        forward = partial(_forward, teacher, normalise, device)
        batches = predict(forward, data.images, 256)
        return {"logits": torch.cat([batch.float().cpu() for batch in batches])}

    key = derive(task.fingerprint, fingerprint(teacher.state_dict()))
    return cached_tensors(cache / f"logits-train-{key:016x}.safetensors", compute)["logits"]


def _forward(
    teacher: nn.Module, normalise: Normaliser, device: torch.device, images: Tensor
) -> Tensor:
    logits: Tensor = teacher(normalise(images, device))
    return logits
