"""How networks against spoofing are trained, and how a candidate is evaluated."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from nas.kinds.classification.settings import (
    CandidateTrainingSettings,
    ClassifierEvaluationSettings,
    ClassifierFitSettings,
    ClassifierTeacherSettings,
)
from nas.models.face_settings import FaceNetworkSettings
from nas.tasks.antispoofing.augmentation import FaceAugmentationSettings

FaceMonitor = Literal["acer", "hter", "apcer", "bpcer", "eer", "for_fdr_mean", "accuracy", "loss"]

_LIGHT = FaceAugmentationSettings.preset("light")
_NONE = FaceAugmentationSettings.preset("none")


class FaceFitSettings(ClassifierFitSettings):
    """How a network against spoofing is trained: as classifiers are, but for what is said here.

    Attributes:
        augmentation: none, light, full, or the settings of one.
        monitors: Scores on the validation split, each with its own best weights; the first
            decides.
    """

    augmentation: FaceAugmentationSettings = _LIGHT
    monitors: tuple[FaceMonitor, ...] = Field(("acer",), min_length=1)  # type: ignore[assignment]


class FaceCandidateSettings(CandidateTrainingSettings):
    """The training of a candidate, as that of a classifier."""

    augmentation: FaceAugmentationSettings = _NONE

    @property
    def fit(self) -> FaceFitSettings:
        return FaceFitSettings(**self.model_dump(exclude={"rungs"}))


class FaceTeacherFitSettings(FaceFitSettings):
    """Training of a teacher that is made before the search."""

    epochs: int = Field(20, ge=1)


class FaceTeacherSettings(ClassifierTeacherSettings):
    """The network that candidates learn from; it takes all inputs unless its model says less."""

    model: FaceNetworkSettings = FaceNetworkSettings()
    training: FaceTeacherFitSettings = FaceTeacherFitSettings()  # type: ignore[assignment]


class FaceEvaluationSettings(ClassifierEvaluationSettings):
    """Everything about evaluating candidates against spoofing.

    Attributes:
        inputs: The inputs that candidates take, in order; all unless given.
        training: How a candidate is trained.
        teacher: The teacher.
    """

    inputs: tuple[str, ...] = ()
    training: FaceCandidateSettings = FaceCandidateSettings()
    teacher: FaceTeacherSettings = FaceTeacherSettings()


class FaceRetrainingSettings(FaceFitSettings):
    """Training of ``nas retrain``, from random weights."""

    epochs: int = Field(60, ge=1)
