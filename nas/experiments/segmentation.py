"""A segmentation network that is taught by another one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from pydantic import Field, model_validator

from nas.distillation.terms import TermSettings
from nas.evaluation.settings import PretrainingSettings, TeacherEncoderSettings, TeacherSettings
from nas.evaluation.teacher import TeacherReport
from nas.evaluation.teacher_run import RunLesson, train_teacher_run
from nas.settings import Settings
from nas.tasks import SegmentationTask
from nas.training.stage_settings import StageSettings
from nas.training.trainer import EpochRecord

WHOLE = "student"


class SegmentationConfig(Settings):
    """A training of a backbone with a plain decoder.

    Attributes:
        task: A built-in task, a folder, or a YAML file.
        data: Folder of the images, if it is not the one that the task gives.
        task_options: Options of the task, such as its input size.
        model: The backbone.
        strides: Strides of the maps that the decoder uses.
        teacher: Folder of the network to learn from, made by ``nas train`` or ``nas distill``.
        losses: Losses towards the teacher, for a training of one stage.
        training: How it is trained.
        stages: Several stages in order, in place of `losses`.
        seed: Of weights, order and augmentation.
        seeds: 1; several trainings over seeds are for classification.
        device: auto, cpu or cuda:N.
    """

    task: str
    data: str | None = None
    task_options: dict[str, Any] = Field(default_factory=dict)
    model: TeacherEncoderSettings
    strides: tuple[int, ...] = TeacherSettings().strides
    teacher: str
    losses: tuple[TermSettings, ...] = ()
    training: PretrainingSettings = PretrainingSettings()
    stages: tuple[StageSettings, ...] = ()
    seed: int = Field(0, ge=0)
    seeds: int = 1
    device: str = "auto"

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.losses and self.stages:
            raise ValueError(
                "losses (--method) are those of a training without stages; give them within the "
                "stages, or leave the stages out"
            )
        if self.seeds != 1:
            raise ValueError("seeds: a segmentation task trains one network; give seed instead")
        return self

    @property
    def resolved_stages(self) -> tuple[StageSettings, ...]:
        """The stages; a training without any is one stage."""
        return self.stages or (StageSettings(name=WHOLE, losses=self.losses),)


def distill_segmentation(
    config: SegmentationConfig,
    task: SegmentationTask,
    folder: Path,
    on_epoch: Callable[[str, EpochRecord, int], None],
) -> TeacherReport:
    """Trains a segmentation network towards another one; the result can teach in its turn.

    Args:
        config: What is trained, and how.
        task: The data that the configuration names.
        folder: New, or that of the same training, which then goes on.
        on_epoch: Told (name of the stage, the epoch, its number of epochs).

    Raises:
        UserError: If the data, the teacher or a setting is wrong, or the folder is in use.
    """
    network = {
        "encoder": config.model.model_dump(mode="json"),
        "strides": list(config.strides),
        "training": config.training.model_dump(mode="json"),
    }
    lesson = RunLesson(teacher=config.teacher, stages=config.resolved_stages)
    return train_teacher_run(task, folder, network, config.seed, config.device, on_epoch, lesson)
