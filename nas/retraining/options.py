"""What is retrained, and how."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nas.deployment.onnx_export import ExportOptions
from nas.deployment.selection import Choice
from nas.distillation.terms import TermSettings
from nas.errors import UserError
from nas.searching.config import ImageSearchConfig
from nas.searching.full_training import FullTraining
from nas.searching.run_folder import RunFolder
from nas.settings import Settings, overridden, validate
from nas.training.stage_settings import StageSettings, StageTraining


class RetrainStages(Settings):
    """Losses of a single stage, or several stages; the search's loss unless given.

    Attributes:
        losses: Losses towards the teacher.
        stages: Stages in order, each with its losses.
    """

    losses: tuple[TermSettings, ...] = ()
    stages: tuple[StageSettings, ...] = ()


@dataclass(frozen=True)
class RetrainOptions(FullTraining):
    """How a candidate is retrained.

    Attributes:
        export: What is exported.
        out: Folder of the network; in ``retrain/`` of the run unless given.
        trackers: Where the training is shown; those of the search unless given.
    """

    export: ExportOptions = field(default_factory=ExportOptions)
    out: Path | None = None
    trackers: tuple[str, ...] | None = None

    def folder(self, run: RunFolder, choice: Choice) -> Path:
        """Where the network goes: with and without distillation are kept apart."""
        if self.out is not None:
            return self.out
        suffix = "" if self.distill else "-no-distillation"
        return run.retrain / f"{choice.name}{suffix}"


def image_search(run: RunFolder, data: Path | str | None = None) -> ImageSearchConfig:
    """The configuration of a search on images.

    Args:
        run: Its folder.
        data: Folder of the images, if they have moved.

    Raises:
        UserError: If it searched a table, or there is no such folder.
    """
    config = run.config()
    if not isinstance(config, ImageSearchConfig):
        raise UserError(f"{run.path}: it searched a table, which has no images to train on.")
    return config if data is None else config.with_data(data)


def training_of(config: ImageSearchConfig, changes: Mapping[str, Any]) -> StageTraining:
    """The training of ``nas retrain`` with changes by dotted key.

    Raises:
        UserError: If a key or a value is wrong.
    """
    known = config.retraining
    return validate(type(known), overridden(known.model_dump(), changes), "retraining")


def parted(changes: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Changes by dotted key, parted into those of the training and those of the task's options.

    Raises:
        UserError: If ``task_options`` is no mapping.
    """
    training = dict(changes)
    section = {key: training.pop(key) for key in changes if key.split(".")[0] == "task_options"}
    options = overridden({}, section).get("task_options", {})
    if not isinstance(options, dict):
        raise UserError(
            f"task_options: {options!r} is no mapping; give for example "
            "task_options.input_size=[360,480]."
        )
    return training, options
