"""Small encoders that learn the maps of a large backbone, from images with or without labels."""

from __future__ import annotations

import hashlib
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import torch
import yaml
from pydantic import Field, field_validator, model_validator
from torch import Tensor

import nas.tasks
from nas import allowed
from nas.errors import UserError
from nas.experiments.config import CONFIG
from nas.experiments.folder import different_keys
from nas.experiments.pupils import Pupils, StandardisedMaps
from nas.files import located, read_json, write_json, write_text
from nas.kinds.teacher import METRICS
from nas.models.encoder import IMAGENET, STRIDES, Encoder, EncoderSettings, untrained_encoder
from nas.models.own import is_own
from nas.settings import Settings, read_values, validate
from nas.tasks.normalisation import IMAGENET as COLOURS
from nas.tasks.segmentation.augmentation import Augmentation
from nas.tasks.unlabelled import read_images
from nas.training.checkpoint import save_weights
from nas.training.device import resolve_device
from nas.training.images import ImageBatches, Normaliser
from nas.training.loop import Batch, Loop, naming_diverged
from nas.training.schedule import Schedule
from nas.training.seeding import derive, seeded
from nas.training.trainer import EpochRecord, Monitor, Training, run, structure
from nas.training.update import Group, Update

EXPLAINED = "explained"
"""Share of the variance of the teacher's maps that an encoder tells, on images kept apart."""
_APART = 10
"""One image in so many is kept apart."""
_FEWEST = 20
_MEASURED = 512
"""So many images tell what the teacher's maps are like."""
_IGNORED = 255
_CHECKPOINT = "checkpoint.pt"


class PretrainingConfig(Settings):
    """Encoders that learn from a backbone.

    Attributes:
        task: A task whose training images are taken; in place of `images`.
        data: Folder of the task's images, if it is not the one that the task gives.
        task_options: Options of the task, such as its input size.
        images: Folder of images without labels; folders within it count too.
        size: Height and width that these are resized to.
        encoders: timm backbones that learn, side by side.
        teacher: The backbone that they learn from.
        epochs: Passes over the images.
        batch_size: Images of an update.
        learning_rate: Of AdamW, falling as a cosine.
        weight_decay: Of the encoders.
        augmentation: none, light or full.
        seed: Of weights, order and augmentation.
        device: auto, cpu or cuda:N.
    """

    task: str | None = None
    data: str | None = None
    task_options: dict[str, Any] = Field(default_factory=dict)
    images: str | None = None
    size: tuple[int, int] = (128, 128)
    encoders: tuple[str, ...] = Field(min_length=1)
    teacher: EncoderSettings = EncoderSettings(name="resnet50", weights=IMAGENET)
    epochs: int = Field(30, ge=1)
    batch_size: int = Field(32, ge=2)
    learning_rate: float = Field(3e-3, gt=0)
    weight_decay: float = Field(1e-4, ge=0)
    augmentation: str = "light"
    seed: int = Field(0, ge=0)
    device: str = "auto"

    @field_validator("task")
    @classmethod
    def _find_task(cls, task: str | None) -> str | None:
        return None if task is None else nas.tasks.address(task)

    @field_validator("data", "images")
    @classmethod
    def _find(cls, place: str | None) -> str | None:
        return located(place)

    @field_validator("encoders")
    @classmethod
    def _are_distinct(cls, encoders: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(encoders)) < len(encoders):
            raise ValueError("one is named twice")
        if any(is_own(name) for name in encoders):
            raise ValueError("name backbones of timm")
        return encoders

    @field_validator("size")
    @classmethod
    def _is_large_enough(cls, size: tuple[int, int]) -> tuple[int, int]:
        if min(size) < max(STRIDES):
            raise ValueError(f"must be at least {max(STRIDES)} pixels, not {list(size)}")
        return size

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.task is None) == (self.images is None):
            raise ValueError("give either a task or a folder of images")
        if self.teacher.weights in ("task", "none"):
            raise ValueError("the teacher needs weights: imagenet, or a file")
        return self

    def identity(self) -> dict[str, Any]:
        """What a folder is tied to: all but where it runs."""
        return self.model_dump(mode="json", exclude={"device"})


@dataclass(frozen=True)
class PretrainedEncoders:
    """A folder of weights that ``--encoder-weights`` takes.

    Attributes:
        path: The folder, with NAME.safetensors for each encoder.
        explained: Share of the variance of the teacher's maps that each encoder tells, on images
            kept apart.
    """

    path: Path
    explained: dict[str, float]


def pretrain(
    config: PretrainingConfig,
    folder: Path,
    *,
    on_epoch: Callable[[str, EpochRecord, int], None],
    say: Callable[[str], None] = lambda sentence: None,
) -> PretrainedEncoders:
    """Trains the encoders side by side, so that the teacher sees each image once for all of them.

    An encoder's map of each stride goes through a 1x1 convolution of its own, and the loss is the
    mean squared error to the teacher's map of that stride, each of whose channels is standardised:
    the hints of Romero et al. 2015 (https://arxiv.org/abs/1412.6550) at every stride. A tenth of
    the images is kept apart; it tells how much was learned, and which epoch is kept. A training
    that was cut off continues.

    Args:
        config: What is trained, and how.
        folder: New, or that of the same training.
        on_epoch: Told (what is trained, the epoch, the number of epochs).
        say: Told what is known of the images.

    Raises:
        UserError: If the images, a network or a setting is wrong, or the folder is in use.
    """
    device = resolve_device(config.device)
    source = _source(config)
    # A wrong name must not wait for the images, nor for the hub.
    with seeded(config.seed, "encoders"):
        encoders = [
            untrained_encoder(EncoderSettings(name=name), in_channels=source.channels)
            for name in config.encoders
        ]
    augmentation = Augmentation.create(config.augmentation, (), _IGNORED, source.is_rgb)
    _claim(folder, config)
    if (folder / METRICS).is_file():
        return read_pretrained(folder)
    # Before the teacher, which may come from the hub.
    images = _read(source, say)
    teacher = Encoder(config.teacher, in_channels=source.channels).to(device).eval()
    with seeded(config.seed, "adapters"):
        pupils = Pupils(encoders, teacher.channels).to(device)
    training = _training(config, source, images, pupils, teacher, augmentation, device)
    with naming_diverged("the pretraining", "learning_rate", config):
        best = run(
            training, folder / _CHECKPOINT, lambda r: on_epoch("encoders", r, config.epochs)
        ).best
    for name, encoder in zip(config.encoders, encoders, strict=True):
        save_weights(encoder.backbone, folder / f"{name}.safetensors")
    explained = {name: best.scores[_named(name)] for name in config.encoders}
    write_json(folder / METRICS, {EXPLAINED: explained, "epoch": best.epoch + 1})
    (folder / _CHECKPOINT).unlink()
    return read_pretrained(folder)


def read_pretrained(folder: Path) -> PretrainedEncoders:
    """What a finished pretraining left in its folder."""
    return PretrainedEncoders(folder, read_json(folder / METRICS)[EXPLAINED])


@dataclass(frozen=True)
class _Source:
    """Images that are not read yet.

    Attributes:
        channels: Of an image.
        is_rgb: Whether they are colours.
        normalise: For what the encoders will be given in a search.
        read: Gives them, N x channels x H x W uint8, and what a user should know of the files.
    """

    channels: int
    is_rgb: bool
    normalise: Normaliser
    read: Callable[[], tuple[Tensor, list[str]]]


def _source(config: PretrainingConfig) -> _Source:
    if config.images is not None:
        folder = Path(config.images)
        return _Source(3, True, Normaliser(*COLOURS), lambda: read_images(folder, config.size))
    task = nas.tasks.load(str(config.task), config.data, **config.task_options)

    def read() -> tuple[Tensor, list[str]]:
        images = task.dataset("train").images
        if not isinstance(images, Tensor):
            raise UserError(
                "the task keeps its photos larger than networks see them; leave short_side out."
            )
        return images, []

    return _Source(task.channels, task.is_rgb, Normaliser(task.mean, task.std), read)


def _read(source: _Source, say: Callable[[str], None]) -> Tensor:
    images, notes = source.read()
    if len(images) < _FEWEST:
        raise UserError(f"{len(images)} images are too few to learn from; give {_FEWEST} and more.")
    apart = len(images) // _APART
    height, width = images.shape[-2:]
    say(
        f"{len(images) - apart} images of {height}x{width} pixels to learn from and {apart} apart"
        + "".join(f"; {note}" for note in notes)
    )
    return images


def _training(
    config: PretrainingConfig,
    source: _Source,
    images: Tensor,
    pupils: Pupils,
    teacher: Encoder,
    augmentation: Augmentation,
    device: torch.device,
) -> Training[Loop]:
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(config.seed))
    apart, taken = order[: len(order) // _APART], order[len(order) // _APART :]
    height, width = images.shape[-2:]
    training = ImageBatches(
        images[taken],
        # The augmentation moves masks along, of which there are none here.
        torch.zeros(1, dtype=torch.uint8).expand(len(taken), height, width),
        config.batch_size,
        source.normalise,
        augmentation,
        device,
        derive(config.seed, "batches"),
    )
    digest = hashlib.sha256(images.contiguous().numpy().tobytes()).hexdigest()

    def plain(chosen: Tensor) -> list[Tensor]:
        return [source.normalise(images[some], device) for some in chosen.split(config.batch_size)]

    wanted = StandardisedMaps(teacher, plain(taken[:_MEASURED]))
    kept = plain(apart)

    def loss(batch: Batch) -> Tensor:
        return pupils(batch.inputs, wanted(batch.inputs)).sum()

    def scores() -> dict[str, float]:
        return _scores(pupils, wanted, kept, config.encoders)

    return Training(
        network=pupils,
        loop=Loop(pupils, training, loss, _update(pupils, config)),
        schedule=Schedule("cosine", config.epochs, warmup=0.05),
        scores=scores,
        monitors=(Monitor(EXPLAINED),),
        identity=str(derive(repr(config.identity()), digest, structure(pupils))),
        seed=config.seed,
    )


def _update(pupils: Pupils, config: PretrainingConfig) -> Update:
    return Update(
        [
            Group(module, "adamw", config.learning_rate, config.weight_decay)
            for pair in zip(pupils.encoders, pupils.adapters, strict=True)
            for module in pair
        ],
        clip=3.0,
    )


@torch.inference_mode()
def _scores(
    pupils: Pupils, wanted: StandardisedMaps, batches: Sequence[Tensor], names: Sequence[str]
) -> dict[str, float]:
    errors = sum(len(images) * pupils(images, wanted(images)) for images in batches)
    errors = (errors / sum(map(len, batches))).tolist()
    explained = {_named(name): 1 - error for name, error in zip(names, errors, strict=True)}
    return {EXPLAINED: statistics.fmean(explained.values()), **explained}


def _named(encoder: str) -> str:
    return f"{EXPLAINED} by {encoder}"


def _claim(folder: Path, config: PretrainingConfig) -> None:
    """Makes the folder of a pretraining, or finds that it is this one's.

    Raises:
        UserError: If the folder holds anything else.
    """
    path = folder / CONFIG
    # Whoever trains has named what is in the settings.
    allowed.allow(allowed.code_in(config.identity()))
    # Where nothing is trained yet, the last attempt failed, and its settings may be corrected.
    if (folder / _CHECKPOINT).is_file() or (folder / METRICS).is_file():
        values = read_values(path)
        allowed.require(allowed.code_in(values), folder)
        known = validate(PretrainingConfig, values, str(path))
        different = different_keys(known.identity(), config.identity())
        if different:
            raise UserError(
                f"{folder}: it holds a pretraining of other settings ({different}); choose another "
                "folder."
            )
        return
    if folder.exists() and (not folder.is_dir() or set(folder.iterdir()) - {path}):
        raise UserError(f"{folder}: the folder is in use; choose another one.")
    folder.mkdir(parents=True, exist_ok=True)
    write_text(path, yaml.safe_dump(config.identity(), sort_keys=False))
