"""What ``nas train`` and ``nas distill`` do."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from pydantic import Field, create_model, field_validator, model_validator

import nas.tasks
import nas.tracking
from nas import allowed
from nas.distillation.terms import TermSettings
from nas.errors import UserError
from nas.files import located
from nas.kinds.network_file import describe
from nas.kinds.registry import kind_named
from nas.kinds.teacher import seed_folders
from nas.kinds.teacher_file import TeacherModel
from nas.settings import Settings, read_yaml, validate
from nas.training.stage_settings import StageSettings, StageTraining

CONFIG = "config.yaml"
WHOLE = "training"


class ExperimentConfig(Settings):
    """A training of a network, over one or several seeds; `experiment_config` makes that of a kind.

    Attributes:
        task: A built-in task, a folder, or a YAML file.
        data: Folder of the images, if it is not the one that the task gives.
        task_options: Options of the task, such as its input size.
        model: The network.
        teacher: Folder of a run or a model file to learn from; null learns from labels alone.
        teacher_model: The network whose weights `teacher` holds, if that is a checkpoint of timm.
        losses: Losses towards the teacher, for a training of one stage.
        training: How it is trained.
        stages: Several stages in order, in place of `losses`.
        seed: Of the first training; the others follow.
        seeds: How many trainings there are.
        device: auto, cpu or cuda:N.
        trackers: Where the trainings are shown, by names or import paths.
    """

    later = ("teacher_model", "trackers")

    task: str
    data: str | None = None
    task_options: dict[str, Any] = Field(default_factory=dict)
    model: Any
    teacher: str | None = None
    teacher_model: TeacherModel | None = None
    losses: tuple[TermSettings, ...] = ()
    training: StageTraining
    stages: tuple[StageSettings, ...] = ()
    seed: int = Field(0, ge=0)
    seeds: int = Field(1, ge=1)
    device: str = "auto"
    trackers: tuple[str, ...] | None = None

    @field_validator("trackers")
    @classmethod
    def _find_trackers(cls, trackers: tuple[str, ...] | None) -> tuple[str, ...] | None:
        return trackers and tuple(nas.tracking.address(name) for name in trackers)

    @field_validator("task")
    @classmethod
    def _find_task(cls, task: str) -> str:
        return nas.tasks.address(task)

    @field_validator("data", "teacher")
    @classmethod
    def _find(cls, place: str | None) -> str | None:
        return located(place)

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.losses and self.stages:
            raise ValueError(
                "losses (--method) are those of a training without stages; give them within the "
                "stages, or leave the stages out"
            )
        if self.teacher_model is not None and self.teacher is None:
            raise ValueError("teacher_model belongs to a checkpoint; give its file as teacher")
        return self

    @property
    def resolved_stages(self) -> tuple[StageSettings, ...]:
        """The stages; a training without any is one stage."""
        return self.stages or (StageSettings(name=WHOLE, losses=self.losses),)

    def identity(self) -> dict[str, Any]:
        """What a folder is tied to: all but where it runs and is shown, and how many follow."""
        return self.model_dump(mode="json", exclude={"seeds", "device", "trackers"})


@functools.cache
def experiment_config(name: str) -> type[ExperimentConfig]:
    """The configuration of a training of networks of a kind, with its defaults.

    Raises:
        UserError: If there is no such kind.
    """
    kind = kind_named(name)
    return create_model(
        f"{name.capitalize()}ExperimentConfig",
        __base__=ExperimentConfig,
        __module__=__name__,
        model=(kind.model_settings, ...),
        training=(kind.training_settings, kind.training_settings()),
    )


def with_default_losses(values: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """The settings of a training with a teacher, with the losses of its kind where none are given.

    Args:
        values: Nested settings; left as they are.
        kind: Of the task.
    """
    has_losses = values.get("losses") is not None or values.get("stages") is not None
    if values.get("teacher") is None or has_losses:
        return dict(values)
    losses = kind_named(kind).distillation_losses
    return {**values, "losses": [loss.model_dump(mode="json") for loss in losses]}


def read_experiment(folder: Path) -> ExperimentConfig:
    """The configuration that a folder was trained with.

    Raises:
        UserError: If there is none, nothing is trained yet, or it names code that the user never
            used on this machine.
    """
    path = folder / CONFIG
    if not path.is_file():
        raise UserError(
            f"{folder}: no {CONFIG} there; give the folder of a run of nas train or nas distill."
        )
    values = read_yaml(path)
    allowed.require(allowed.code_in(values), folder)
    kind = describe(seed_folders(folder)[0]).kind
    return validate(experiment_config(kind), values, str(path))
