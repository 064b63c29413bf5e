"""What all candidates of a search share: encoder, teacher, cached maps."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from filelock import FileLock
from torch import Tensor

from nas.evaluation import ahead
from nas.evaluation.ahead import Announce
from nas.evaluation.cache import SplitFeatures, cached_tensors, compute_maps
from nas.evaluation.settings import EvaluationSettings
from nas.evaluation.teacher import (
    WEIGHTS,
    TeacherReport,
    check_buildable,
    check_teacher,
    load_teacher,
    macro_f1,
    train_teacher,
)
from nas.models.encoder import STRIDES, TASK, Encoder, load_backbone, without_hub
from nas.models.segmentation import PlainDecoder, SegmentationNetwork, resize
from nas.tasks import SegmentationTask
from nas.training.checkpoint import save_weights
from nas.training.fitting import fit
from nas.training.images import Normaliser
from nas.training.seeding import derive, seeded


@dataclass(frozen=True)
class Prepared:
    """What all candidates share.

    Attributes:
        task: The data.
        encoder: The backbone in evaluation mode; candidates train copies of it.
        teacher: The teacher in evaluation mode, or None.
        report: What was found when the teacher was checked.
        train: Cached maps of the train split, or None where stage 0 is off.
        validation: Cached maps of the validation split, likewise.
    """

    task: SegmentationTask
    encoder: Encoder
    teacher: SegmentationNetwork | None
    report: TeacherReport | None
    train: SplitFeatures | None
    validation: SplitFeatures | None


def prepare(
    task: SegmentationTask,
    settings: EvaluationSettings,
    cache: Path,
    device: torch.device,
    seed: int,
    announce: Announce = lambda what, record, epochs: None,
    strides: tuple[int, ...] = STRIDES,
) -> Prepared:
    """Trains or loads what candidates share; everything lands in the cache folder.

    Several processes may call this at once: one works, the others wait and load. The encoder gives
    maps at `strides`.

    Raises:
        UserError: If the encoder or the teacher cannot be made or the teacher is useless.
    """
    with FileLock(_made(cache) / "prepare.lock"):
        if _both_untrained(task, settings, cache, seed, strides) and ahead.pays_off(device):
            train = partial(prepare_teacher, task, settings, cache, device, seed)
            with ahead.beside(train, announce) as told:
                encoder = prepare_encoder(task, settings, cache, device, seed, told, strides)
        else:
            encoder = prepare_encoder(task, settings, cache, device, seed, announce, strides)
        teacher, report = prepare_teacher(task, settings, cache, device, seed, announce)
        learned = validation = None
        if settings.stage0.enabled:
            learned = _features(task, "train", encoder, teacher, cache, device)
            validation = _features(task, "validation", encoder, None, cache, device)
    return Prepared(task, encoder, teacher, report, learned, validation)


def check_networks(
    task: SegmentationTask, settings: EvaluationSettings, strides: tuple[int, ...] = STRIDES
) -> None:
    """Refuses an encoder or a teacher that cannot be made, before anything is trained.

    Whether weights can be had from timm's hub is not tried.

    Raises:
        UserError: If a name, an option or a file is wrong.
    """
    Encoder(without_hub(settings.encoder), strides)
    if not settings.distillation.enabled:
        return
    if settings.teacher.run is not None:
        load_teacher(Path(settings.teacher.run), task, torch.device("cpu"))
    else:
        check_buildable(settings.teacher, len(task.classes))


def prepare_encoder(
    task: SegmentationTask,
    settings: EvaluationSettings,
    cache: Path,
    device: torch.device,
    seed: int,
    announce: Announce = lambda what, record, epochs: None,
    strides: tuple[int, ...] = STRIDES,
) -> Encoder:
    """The encoder with its weights: trained on the task, from timm's hub, a file, or random."""
    with seeded(seed, "encoder"):
        encoder = Encoder(settings.encoder, strides).to(device)
    if settings.encoder.weights == TASK:
        folder = _encoder_folder(task, settings, cache, seed, strides)
        _pretrain(encoder, task, settings, folder, device, seed, announce)
    return encoder.eval()


def _pretrain(
    encoder: Encoder,
    task: SegmentationTask,
    settings: EvaluationSettings,
    folder: Path,
    device: torch.device,
    seed: int,
    announce: Announce,
) -> None:
    weights = folder / WEIGHTS
    if not weights.exists():
        with seeded(seed, "pretraining"):
            decoder = PlainDecoder(encoder.channels, len(task.classes))
        fit(
            SegmentationNetwork(encoder, decoder),
            task,
            settings.pretraining,
            device=device,
            seed=derive(seed, "pretraining"),
            quality=macro_f1,
            resume=folder / "checkpoint.pt",
            on_epoch=lambda r: announce("encoder", r, settings.pretraining.epochs),
        )
        # With timm's names the file can serve other searches as --encoder-weights.
        save_weights(encoder.backbone, weights)
        (folder / "checkpoint.pt").unlink()
    load_backbone(encoder.backbone, weights)


def prepare_teacher(
    task: SegmentationTask,
    settings: EvaluationSettings,
    cache: Path,
    device: torch.device,
    seed: int,
    announce: Announce = lambda what, record, epochs: None,
) -> tuple[SegmentationNetwork | None, TeacherReport | None]:
    """The teacher, trained or loaded, and what its check found; nothing without distillation.

    Raises:
        UserError: If it cannot be made, or is no better than guessing.
    """
    if not settings.distillation.enabled:
        return None, None
    if settings.teacher.run is not None:
        teacher = load_teacher(Path(settings.teacher.run), task, device)
    else:
        teacher = train_teacher(
            settings.teacher,
            task,
            _teacher_folder(task, settings, cache, seed),
            device,
            seed,
            announce,
        )
    return teacher, check_teacher(teacher, task, device)


def _features(
    task: SegmentationTask,
    split: str,
    encoder: Encoder,
    teacher: SegmentationNetwork | None,
    cache: Path,
    device: torch.device,
) -> SplitFeatures:
    data = task.dataset(split)
    normalise = Normaliser(task.mean, task.std)
    finest = min(encoder.strides)
    size = tuple(-(-side // finest) for side in task.input_size)

    def compute() -> dict[str, Tensor]:
        maps = compute_maps(lambda x: encoder(normalise(x, device)), data.images)
        tensors = {f"map{number}": tensor for number, tensor in enumerate(maps)}
        if teacher is not None:
            logits = compute_maps(
                lambda x: [resize(teacher(normalise(x, device)), size)], data.images
            )
            tensors["teacher"] = logits[0]
        return tensors

    networks = (encoder.fingerprint, teacher.fingerprint if teacher is not None else "none")
    key = derive(task.fingerprint, split, *networks)
    tensors = cached_tensors(cache / f"features-{split}-{key:016x}.safetensors", compute)
    maps = tuple(tensors[f"map{number}"].to(device) for number in range(len(encoder.strides)))
    logits = tensors["teacher"].to(device) if teacher is not None else None
    return SplitFeatures(maps, data.targets.to(device), logits)


def _both_untrained(
    task: SegmentationTask,
    settings: EvaluationSettings,
    cache: Path,
    seed: int,
    strides: tuple[int, ...],
) -> bool:
    if settings.encoder.weights != TASK or not settings.distillation.enabled:
        return False
    folders = (
        _encoder_folder(task, settings, cache, seed, strides),
        _teacher_folder(task, settings, cache, seed),
    )
    return settings.teacher.run is None and not any((f / WEIGHTS).exists() for f in folders)


def _encoder_folder(
    task: SegmentationTask,
    settings: EvaluationSettings,
    cache: Path,
    seed: int,
    strides: tuple[int, ...],
) -> Path:
    parts = (
        settings.encoder.model_dump_json(),
        settings.pretraining.model_dump_json(),
        str(strides),
    )
    return cache / f"encoder-{derive(*parts, task.fingerprint, seed):016x}"


def _teacher_folder(
    task: SegmentationTask, settings: EvaluationSettings, cache: Path, seed: int
) -> Path:
    return (
        cache / f"teacher-{derive(settings.teacher.model_dump_json(), task.fingerprint, seed):016x}"
    )


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder
