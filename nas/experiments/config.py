"""What ``nas train`` and ``nas distill`` do with a classification task."""

from __future__ import annotations

from typing import Any, Self

from pydantic import Field, model_validator

from nas.distillation.terms import TermSettings
from nas.models.classifiers import ClassifierSettings
from nas.settings import Settings
from nas.training.classification.settings import ClassifierFitSettings
from nas.training.stage_settings import StageSettings

WHOLE = "training"


class ExperimentConfig(Settings):
    """A training of a classifier, over one or several seeds.

    Attributes:
        task: A built-in task, a folder, or a YAML file.
        data: Folder of the images, if it is not the one that the task gives.
        task_options: Options of the task, such as its input size.
        model: The network.
        teacher: Folder of a run or a model file to learn from; null learns from labels alone.
        losses: Losses towards the teacher, for a training of one stage.
        training: How it is trained.
        stages: Several stages in order, in place of `losses`.
        seed: Of the first training; the others follow.
        seeds: How many trainings there are.
        device: auto, cpu or cuda:N.
    """

    task: str
    data: str | None = None
    task_options: dict[str, Any] = Field(default_factory=dict)
    model: ClassifierSettings
    teacher: str | None = None
    losses: tuple[TermSettings, ...] = ()
    training: ClassifierFitSettings = ClassifierFitSettings()
    stages: tuple[StageSettings, ...] = ()
    seed: int = Field(0, ge=0)
    seeds: int = Field(1, ge=1)
    device: str = "auto"

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.losses and self.stages:
            raise ValueError(
                "losses (--method) are those of a training without stages; give them within the "
                "stages, or leave the stages out"
            )
        return self

    @property
    def resolved_stages(self) -> tuple[StageSettings, ...]:
        """The stages; a training without any is one stage."""
        return self.stages or (StageSettings(name=WHOLE, losses=self.losses),)

    def identity(self) -> dict[str, Any]:
        """What a folder is tied to: all but where it runs and how many trainings follow."""
        return self.model_dump(mode="json", exclude={"seeds", "device"})
