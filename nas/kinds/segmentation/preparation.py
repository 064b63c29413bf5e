"""What all candidates of a segmentation search share: encoder, teacher, cached maps."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from filelock import FileLock
from torch import Tensor, nn

from nas.kinds import ahead
from nas.kinds.ahead import Announce
from nas.kinds.cache import cached_tensors, compute_maps
from nas.kinds.kind import Prepared, Teacher
from nas.kinds.registry import kind_named
from nas.kinds.segmentation.batches import SplitFeatures
from nas.kinds.segmentation.settings import SegmentationEvaluationSettings
from nas.kinds.teacher import FILE, teacher_folder, train_teacher, trained_teacher
from nas.models.encoder import STRIDES, TASK, Encoder, fingerprint, load_backbone
from nas.models.segmentation import PlainDecoder, SegmentationNetwork, resize
from nas.tasks import SegmentationTask
from nas.training.checkpoint import save_weights
from nas.training.fit import fit
from nas.training.images import Normaliser
from nas.training.loop import naming_diverged
from nas.training.seeding import derive, seeded


@dataclass(frozen=True)
class PreparedSegmentation(Prepared):
    """What all candidates share.

    Attributes:
        task: The data.
        device: Where candidates are trained.
        teacher: What they learn from, or None.
        encoder: The backbone in evaluation mode; candidates train copies of it.
        train: Cached maps of the train split, or None where stage 0 is off.
        validation: Cached maps of the validation split, likewise.
    """

    task: SegmentationTask
    encoder: Encoder
    train: SplitFeatures | None
    validation: SplitFeatures | None


def prepare(
    task: SegmentationTask,
    settings: SegmentationEvaluationSettings,
    cache: Path,
    device: torch.device,
    seed: int,
    announce: Announce = lambda what, record, epochs: None,
    strides: tuple[int, ...] = STRIDES,
) -> PreparedSegmentation:
    """See `nas.kinds.kind.Kind.prepare`; the encoder gives maps at `strides`."""
    cache.mkdir(parents=True, exist_ok=True)
    with FileLock(cache / "prepare.lock"):
        if _both_untrained(task, settings, cache, seed, strides) and ahead.pays_off(device):
            train = partial(train_teacher, settings.teacher, task, cache, device, seed)
            with ahead.beside(train, announce) as told:
                encoder = prepare_encoder(task, settings, cache, device, seed, told, strides)
        else:
            encoder = prepare_encoder(task, settings, cache, device, seed, announce, strides)
        teacher = None
        if settings.distillation.enabled:
            teacher = trained_teacher(settings.teacher, task, cache, device, seed, announce)
        learned = validation = None
        if settings.stage0.enabled:
            learned = _features(task, "train", encoder, teacher, cache, device)
            validation = _features(task, "validation", encoder, None, cache, device)
    return PreparedSegmentation(task, device, teacher, encoder, learned, validation)


def prepare_encoder(
    task: SegmentationTask,
    settings: SegmentationEvaluationSettings,
    cache: Path,
    device: torch.device,
    seed: int,
    announce: Announce = lambda what, record, epochs: None,
    strides: tuple[int, ...] = STRIDES,
) -> Encoder:
    """The encoder with its weights: trained on the task, from timm's hub, a file, or random."""
    with seeded(seed, "encoder"):
        encoder = Encoder(settings.encoder, strides, task.channels).to(device)
    if settings.encoder.weights == TASK:
        folder = _encoder_folder(task, settings, cache, seed, strides)
        _pretrain(encoder, task, settings, folder, device, seed, announce)
    return encoder.eval()


def network_fingerprint(network: nn.Module) -> str:
    """A short text that changes with any weight, and with how the encoder uses its weights."""
    if isinstance(network, SegmentationNetwork):
        return network.fingerprint
    return fingerprint(network.state_dict())


def _pretrain(
    encoder: Encoder,
    task: SegmentationTask,
    settings: SegmentationEvaluationSettings,
    folder: Path,
    device: torch.device,
    seed: int,
    announce: Announce,
) -> None:
    weights = folder / FILE
    if not weights.exists():
        with seeded(seed, "pretraining"):
            decoder = PlainDecoder(encoder.channels, len(task.classes))
        training = settings.pretraining
        with naming_diverged("the encoder", "evaluation.pretraining.learning_rate", training):
            fit(
                kind_named("segmentation"),
                SegmentationNetwork(encoder, decoder),
                task,
                training,
                device=device,
                seed=derive(seed, "pretraining"),
                resume=folder / "checkpoint.pt",
                on_epoch=lambda r: announce("encoder", r, training.epochs),
            )
        # With timm's names the file can serve other searches as --encoder-weights.
        save_weights(encoder.backbone, weights)
        (folder / "checkpoint.pt").unlink()
    load_backbone(encoder.backbone, weights)


def _features(
    task: SegmentationTask,
    split: str,
    encoder: Encoder,
    teacher: Teacher | None,
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
            network = teacher.network
            logits = compute_maps(
                lambda x: [resize(network(normalise(x, device)), size)], data.images
            )
            tensors["teacher"] = logits[0]
        return tensors

    networks = (encoder.fingerprint, teacher.identity if teacher is not None else "none")
    key = derive(task.fingerprint, split, *networks)
    tensors = cached_tensors(cache / f"features-{split}-{key:016x}.safetensors", compute)
    maps = tuple(tensors[f"map{number}"].to(device) for number in range(len(encoder.strides)))
    logits = tensors["teacher"].to(device) if teacher is not None else None
    return SplitFeatures(maps, data.targets.to(device), logits)


def _both_untrained(
    task: SegmentationTask,
    settings: SegmentationEvaluationSettings,
    cache: Path,
    seed: int,
    strides: tuple[int, ...],
) -> bool:
    if settings.encoder.weights != TASK or not settings.distillation.enabled:
        return False
    folders = (
        _encoder_folder(task, settings, cache, seed, strides),
        teacher_folder(settings.teacher, task, cache, seed),
    )
    return settings.teacher.run is None and not any((f / FILE).exists() for f in folders)


def _encoder_folder(
    task: SegmentationTask,
    settings: SegmentationEvaluationSettings,
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
