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
from nas.kinds.ahead import Announce
from nas.kinds.cache import cached_tensors
from nas.kinds.classification.settings import ClassifierEvaluationSettings
from nas.kinds.kind import Prepared, Teacher
from nas.kinds.teacher import trained_teacher
from nas.tasks import ClassificationTask
from nas.training.images import Normaliser
from nas.training.scoring import predict
from nas.training.seeding import derive
from nas.training.teaching import KnownLogits


@dataclass(frozen=True)
class PreparedClassification(Prepared):
    """What all candidates share.

    Attributes:
        task: The data.
        device: Where candidates are trained.
        teacher: What they learn from, or None.
        known: Its logits of the training images, where they are all that candidates need of it.
    """

    task: ClassificationTask
    known: KnownLogits | None


def prepare(
    task: ClassificationTask,
    settings: ClassifierEvaluationSettings,
    cache: Path,
    device: torch.device,
    seed: int,
    announce: Announce = lambda what, record, epochs: None,
) -> PreparedClassification:
    """See `nas.kinds.kind.Kind.prepare`."""
    if not settings.distillation.enabled:
        return PreparedClassification(task, device, None, None)
    cache.mkdir(parents=True, exist_ok=True)
    with FileLock(cache / "prepare.lock"):
        teacher = trained_teacher(settings.teacher, task, cache, device, seed, announce)
        teacher.require_comparable([settings.distillation.term])
        known = None
        if _logits_suffice(settings):
            loss = create_loss(settings.distillation.method, **settings.distillation.options)
            logits = _logits(task, teacher, cache, device)
            known = KnownLogits(logits, loss, settings.distillation.term.factor)
    return PreparedClassification(task, device, teacher, known)


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
        task.input_shape,
        num_classes=task.num_classes,
    )


def _logits_suffice(settings: ClassifierEvaluationSettings) -> bool:
    """Whether the teacher always sees the images as they are, and only its logits count."""
    augmented = settings.training.augmentation != type(settings.training.augmentation).preset(
        "none"
    )
    return settings.distillation.term.compares == "logits" and not augmented


def _logits(
    task: ClassificationTask, teacher: Teacher, cache: Path, device: torch.device
) -> Tensor:
    data = task.dataset("train")
    normalise = Normaliser(task.mean, task.std)

    def compute() -> dict[str, Tensor]:
        forward = partial(_forward, teacher.network, normalise, device)
        batches = predict(forward, data.images, 256)
        return {"logits": torch.cat([batch.float().cpu() for batch in batches])}

    key = derive(task.fingerprint, teacher.identity)
    return cached_tensors(cache / f"logits-train-{key:016x}.safetensors", compute)["logits"]


def _forward(
    teacher: nn.Module, normalise: Normaliser, device: torch.device, images: Tensor
) -> Tensor:
    logits: Tensor = teacher(normalise(images, device))
    return logits
