"""Encoders that learn from a large backbone before any search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.api.arguments import Config, given, split_config, task_name
from nas.api.folders import default_run
from nas.api.progress import displays
from nas.settings import overridden, read_values, validate

if TYPE_CHECKING:
    from nas.experiments.pretraining import PretrainedEncoders
    from nas.tasks import Task


def pretrain(
    images: str | Path | Task,
    encoders: Sequence[str] | None = None,
    *,
    teacher: str | None = None,
    teacher_weights: str | None = None,
    size: tuple[int, int] | None = None,
    epochs: int | None = None,
    run: str | Path | None = None,
    seed: int | None = None,
    device: str | None = None,
    config: Config | None = None,
    progress: bool = True,
) -> PretrainedEncoders:
    """Teaches small encoders the maps of a large backbone, all at once.

    ``nas.search(..., config={"evaluation.encoder.weights": found.path})`` takes the weights, and so
    does `train`, one file at a time.

    Args:
        images: Folder of images, with labels or without, or a task, whose training images are
            taken.
        encoders: timm backbones; those of the space ``small`` unless given.
        teacher: timm backbone; resnet50 unless given.
        teacher_weights: imagenet or a file; imagenet unless given.
        size: Height and width that the images of a folder are resized to.
        epochs: Passes over the images.
        run: Folder for the weights; ``runs/pretrained`` unless given. A training that was cut off
            continues there.
        seed: Random seed.
        device: auto, cpu or cuda:N.
        config: Any further setting.
        progress: Whether to print progress.

    Raises:
        UserError: If something is wrong with what was given; one sentence says what.
    """
    is_folder = isinstance(images, str | Path) and Path(images).is_dir()
    options = {
        "images": str(images) if is_folder else None,
        "task": None if is_folder else task_name(images),
        "encoders": list(encoders) if encoders else None,
        "teacher.name": teacher,
        "teacher.weights": teacher_weights,
        "size": list(size) if size else None,
        "epochs": epochs,
        "seed": seed,
        "device": device,
    }
    folder = Path(run) if run else default_run("pretrained")
    return run_pretraining(given(options), folder, config=config, progress=progress)


def run_pretraining(
    options: Mapping[str, Any],
    folder: Path,
    *,
    config: Config | None = None,
    progress: bool = True,
) -> PretrainedEncoders:
    """Pretrains encoders with settings that are given by dotted key; see `pretrain`."""
    from nas.experiments.pretraining import PretrainingConfig
    from nas.experiments.pretraining import pretrain as train
    from search_spaces.compact import ENCODERS

    path, values = split_config(config, options)
    known = {"encoders": list(ENCODERS)}
    merged = overridden(known | read_values(path), values)
    settings = validate(PretrainingConfig, merged, str(path) if path else "settings")
    with displays(progress) as (epochs, _):
        return train(settings, folder, on_epoch=epochs[0], say=epochs[1])
