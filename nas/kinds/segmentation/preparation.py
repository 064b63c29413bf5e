"""What the candidates of a segmentation search share: encoders, teacher, cached maps."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from filelock import FileLock
from torch import Tensor, nn

from nas.kinds import ahead
from nas.kinds.ahead import Announce
from nas.kinds.cache import Forward, cached_maps
from nas.kinds.kind import Prepared, Teacher
from nas.kinds.registry import kind_named
from nas.kinds.segmentation.batches import SplitFeatures
from nas.kinds.segmentation.settings import SegmentationEvaluationSettings, SegmentationFitSettings
from nas.kinds.teacher import FILE, teacher_folder, train_teacher, trained_teacher
from nas.models.encoder import STRIDES, TASK, Encoder, fingerprint, load_backbone
from nas.models.segmentation import PlainDecoder, SegmentationNetwork, resize
from nas.tasks import SegmentationTask
from nas.training.checkpoint import save_weights
from nas.training.fit import fit
from nas.training.images import Normaliser
from nas.training.loop import naming_diverged
from nas.training.seeding import derive, seeded
from nas.training.trainer import EpochRecord
from search_spaces.genotype import Genotype
from search_spaces.space import DecoderSpace, EncoderCut

_ALL_MAPS = EncoderCut(STRIDES)


@dataclass(frozen=True)
class PreparedSegmentation(Prepared):
    """What the candidates behind one encoder share.

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


@dataclass(frozen=True)
class PreparedEncoders(Prepared):
    """What the candidates of a space that chooses among encoders share.

    Attributes:
        space: The space.
        behind: What those behind each cut share. Cuts of one encoder have the same weights, and
            their maps are kept once.
    """

    space: DecoderSpace
    behind: Mapping[EncoderCut, PreparedSegmentation]

    def of(self, genotype: Genotype) -> PreparedSegmentation:
        """See `Prepared.of`."""
        return self.behind[self.space.cut(genotype)]


def prepare(
    task: SegmentationTask,
    settings: SegmentationEvaluationSettings,
    cache: Path,
    device: torch.device,
    seed: int,
    announce: Announce = lambda what, record, epochs: None,
    cut: EncoderCut = _ALL_MAPS,
) -> PreparedSegmentation:
    """What the candidates behind one encoder share; see `nas.kinds.kind.Kind.prepare`."""
    return _prepare(task, settings, cache, device, seed, announce, (cut,))[cut]


def prepare_encoders(
    task: SegmentationTask,
    settings: SegmentationEvaluationSettings,
    cache: Path,
    device: torch.device,
    seed: int,
    space: DecoderSpace,
    announce: Announce = lambda what, record, epochs: None,
) -> PreparedEncoders:
    """What the candidates of a space that chooses among encoders share.

    See `nas.kinds.kind.Kind.prepare`.
    """
    whole = tuple(dict.fromkeys(replace(c, strides=space.encoder_strides) for c in space.cuts))
    prepared = _prepare(task, settings, cache, device, seed, announce, whole)
    behind = {}
    for cut in space.cuts:
        shared = prepared[replace(cut, strides=space.encoder_strides)]
        behind[cut] = _behind(shared, cut)
    return PreparedEncoders(task, device, shared.teacher, space, behind)


def _prepare(
    task: SegmentationTask,
    settings: SegmentationEvaluationSettings,
    cache: Path,
    device: torch.device,
    seed: int,
    announce: Announce,
    cuts: tuple[EncoderCut, ...],
) -> dict[EncoderCut, PreparedSegmentation]:
    """What is shared behind each of several encoders."""

    def make(told: Announce) -> list[Encoder]:
        return [prepare_encoder(task, settings, cache, device, seed, told, cut) for cut in cuts]

    cache.mkdir(parents=True, exist_ok=True)
    with FileLock(cache / "prepare.lock"):
        both = _teacher_and_encoder_untrained(task, settings, cache, seed, cuts)
        if both and ahead.pays_off(device):
            train = partial(train_teacher, settings.teacher, task, cache, device, seed)
            with ahead.beside(train, announce) as told:
                encoders = make(told)
        else:
            encoders = make(announce)
        teacher = None
        if settings.distillation.enabled:
            teacher = trained_teacher(settings.teacher, task, cache, device, seed, announce)
        maps: dict[str, list[SplitFeatures]] = {}
        if settings.stage0.enabled:
            form = torch.bfloat16 if settings.stage0.maps == "bfloat16" else torch.float32
            for split, logits in (("train", teacher), ("validation", None)):
                maps[split] = _features(task, split, encoders, logits, cache, device, form)
    return {
        cut: PreparedSegmentation(
            task,
            device,
            teacher,
            encoders[number],
            maps["train"][number] if maps else None,
            maps["validation"][number] if maps else None,
        )
        for number, cut in enumerate(cuts)
    }


def _behind(whole: PreparedSegmentation, cut: EncoderCut) -> PreparedSegmentation:
    """What is shared behind a cut of an encoder."""
    maps = len(cut.strides)
    return replace(
        whole,
        encoder=whole.encoder.cut(cut.strides),
        train=None if whole.train is None else whole.train.first(maps),
        validation=None if whole.validation is None else whole.validation.first(maps),
    )


def prepare_encoder(
    task: SegmentationTask,
    settings: SegmentationEvaluationSettings,
    cache: Path,
    device: torch.device,
    seed: int,
    announce: Announce = lambda what, record, epochs: None,
    cut: EncoderCut = _ALL_MAPS,
) -> Encoder:
    """The encoder with its weights: from timm's hub, a file, or random, and trained on the task."""
    with seeded(seed, "encoder"):
        encoder = Encoder(settings.encoder.of(cut), cut.strides, task.channels).to(device)
    training = settings.encoder_training
    if training is not None:
        # What it starts from may change in its file.
        start = () if settings.encoder.weights == TASK else (encoder.fingerprint,)
        folder = _encoder_folder(task, settings, training, cache, seed, cut, start)
        what = "encoder" if cut.name is None else cut.name
        _pretrain(encoder, task, training, folder, device, seed, partial(announce, what))
    return encoder.eval()


def network_fingerprint(network: nn.Module) -> str:
    """A short text that changes with any weight, and with how the encoder uses its weights."""
    if isinstance(network, SegmentationNetwork):
        return network.fingerprint
    return fingerprint(network.state_dict())


def _pretrain(
    encoder: Encoder,
    task: SegmentationTask,
    training: SegmentationFitSettings,
    folder: Path,
    device: torch.device,
    seed: int,
    announce: Callable[[EpochRecord, int], None],
) -> None:
    weights = folder / FILE
    if not weights.exists():
        with seeded(seed, "pretraining"):
            decoder = PlainDecoder(encoder.channels, len(task.classes))
        with naming_diverged("the encoder", "evaluation.pretraining.learning_rate", training):
            fit(
                kind_named("segmentation"),
                SegmentationNetwork(encoder, decoder),
                task,
                training,
                device=device,
                seed=derive(seed, "pretraining"),
                resume=folder / "checkpoint.pt",
                on_epoch=lambda r: announce(r, r.planned),
            )
        # With timm's names the file can serve other searches as --encoder-weights.
        save_weights(encoder.backbone, weights)
        (folder / "checkpoint.pt").unlink()
    load_backbone(encoder.backbone, weights)


def _features(
    task: SegmentationTask,
    split: str,
    encoders: Sequence[Encoder],
    teacher: Teacher | None,
    cache: Path,
    device: torch.device,
    dtype: torch.dtype,
) -> list[SplitFeatures]:
    """The maps of each encoder, and the teacher's logits at the size of the finest of them."""
    masks = task.dataset(split).targets.to(device)
    logits = None
    if teacher is not None:
        size = tuple(-(-side // min(encoders[0].strides)) for side in task.input_size)
        network = teacher.network
        (logits,) = _computed(
            task,
            split,
            cache / f"logits-{split}",
            (teacher.identity, str(size)),
            lambda images: [resize(network(images), size)],
            device,
        )
    first: SplitFeatures | None = None
    found = []
    for encoder in encoders:
        name = cache / f"features-{split}"
        maps = _computed(task, split, name, (encoder.fingerprint,), encoder, device, dtype)
        # One table of resized masks and logits serves all encoders.
        first = first or SplitFeatures(maps, masks, logits)
        found.append(replace(first, maps=maps))
    return found


def _computed(
    task: SegmentationTask,
    split: str,
    name: Path,
    identity: tuple[str, ...],
    forward: Forward,
    device: torch.device,
    dtype: torch.dtype = torch.float32,
) -> tuple[Tensor, ...]:
    """What a network gives for the images of a split, on the device; computed once.

    Args:
        task: The data.
        split: Of it.
        name: The file, to which a key is added.
        identity: What the result depends on besides the images.
        forward: Takes normalised images on the device.
        device: Where.
        dtype: In which it is kept.
    """
    normalise = Normaliser(task.mean, task.std)
    if dtype != torch.float32:
        identity = (*identity, str(dtype))
    key = derive(task.fingerprint, split, *identity)
    maps = cached_maps(
        name.with_name(f"{name.name}-{key:016x}.safetensors"),
        lambda some: forward(normalise(some, device)),
        task.dataset(split).images,
        dtype=dtype,
    )
    return tuple(one.to(device) for one in maps)


def _teacher_and_encoder_untrained(
    task: SegmentationTask,
    settings: SegmentationEvaluationSettings,
    cache: Path,
    seed: int,
    cuts: tuple[EncoderCut, ...],
) -> bool:
    """Whether the teacher and at least an encoder have to be trained."""
    if settings.encoder.weights != TASK or not settings.distillation.enabled:
        return False
    training = settings.pretraining
    folders = [_encoder_folder(task, settings, training, cache, seed, cut) for cut in cuts]
    trained = all((folder / FILE).exists() for folder in folders)
    teacher = teacher_folder(settings.teacher, task, cache, seed)
    return settings.teacher.run is None and not trained and not (teacher / FILE).exists()


def _encoder_folder(
    task: SegmentationTask,
    settings: SegmentationEvaluationSettings,
    training: SegmentationFitSettings,
    cache: Path,
    seed: int,
    cut: EncoderCut,
    start: tuple[str, ...] = (),
) -> Path:
    parts = (
        settings.encoder.of(cut).model_dump_json(),
        training.model_dump_json(),
        str(cut.strides),
        *start,
    )
    return cache / f"encoder-{derive(*parts, task.fingerprint, seed):016x}"
