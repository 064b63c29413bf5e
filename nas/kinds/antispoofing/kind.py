"""What anti-spoofing says of itself, beside what it shares with classification."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

import search_spaces
from nas.errors import UserError
from nas.kinds.antispoofing.scoring import (
    HTER_AT_THRESHOLD,
    Interval,
    face_intervals,
    score_faces,
)
from nas.kinds.antispoofing.settings import (
    FaceEvaluationSettings,
    FaceFitSettings,
    FaceRetrainingSettings,
)
from nas.kinds.candidates import Candidates
from nas.kinds.classification.candidates import ClassifierCandidates
from nas.kinds.classification.kind import ClassificationKind
from nas.kinds.classification.settings import ClassifierEvaluationSettings, ClassifierFitSettings
from nas.models.classifiers import ClassifierSettings
from nas.models.face_settings import (
    FaceNetworkSettings,
    SearchedFaceNetworkSettings,
    selected,
)
from nas.models.inputs import SelectInputs
from nas.models.searched_classifier import SearchedClassifierSettings
from nas.tasks import AntiSpoofingTask, ClassificationTask, Task
from nas.training.scoring import ScoreCard
from nas.training.trainer import Monitor
from nas.training.views import ViewsName
from search_spaces.genotype import Genotype
from search_spaces.space import SearchSpace

_CHANCE = 0.5
_LARGER_IS_BETTER = ("accuracy",)


class AntiSpoofingKind(ClassificationKind):
    """Networks give live or attack for a face, from all of its inputs or from some."""

    name = "antispoofing"
    space_kind = "classification"
    default_task = "spoofing"
    default_metric = "acer"
    metrics = ("acer", "hter", "apcer", "bpcer", "eer", "f1", "accuracy")
    figures = ("acer", "apcer", "bpcer", "accuracy", "eer", HTER_AT_THRESHOLD, "tpr_at_fpr_1e2")
    first_figure_is_an_error = True
    model_settings = FaceNetworkSettings
    searched_settings = SearchedFaceNetworkSettings
    training_settings = FaceFitSettings
    evaluation_settings = FaceEvaluationSettings
    retraining_settings = FaceRetrainingSettings

    def monitors(self, settings: ClassifierFitSettings) -> tuple[Monitor, ...]:
        return tuple(Monitor(name, name not in _LARGER_IS_BETTER) for name in settings.monitors)

    def score(
        self,
        network: nn.Module,
        task: ClassificationTask,
        split: str,
        device: torch.device,
        views: ViewsName = "none",
    ) -> ScoreCard:
        return score_faces(network, _faces(task), split, device, views)

    def intervals(
        self, card: ScoreCard, task: ClassificationTask, split: str
    ) -> dict[str, Interval]:
        return face_intervals(card, _faces(task), split)

    def seen_from(self, task: ClassificationTask, home: ClassificationTask) -> ClassificationTask:
        return _faces(super().seen_from(task, home)).calibrated_on(_faces(home))

    def quality(self, card: ScoreCard) -> float:
        """1 less the ACER."""
        return 1 - card.figures["acer"]

    def create(self, model: ClassifierSettings, task: ClassificationTask) -> nn.Module:
        assert isinstance(model, FaceNetworkSettings)
        told = model.with_channels(dict(task.inputs))
        return told.create(task.num_classes, task.input_size)

    def as_trained(self, model: Any, task: Task) -> Any:
        return model.with_channels(dict(task.inputs))

    def check_teacher(
        self, network: nn.Module, card: ScoreCard, task: ClassificationTask, device: torch.device
    ) -> str:
        error = card.figures["acer"]
        if not error < _CHANCE:
            raise UserError(
                f"its ACER of {error:.3f} on the validation images is no better than guessing "
                f"({_CHANCE}); train it longer."
            )
        return f"ACER {error:.3f}, accuracy {card.figures['accuracy']:.3f} on validation"

    def image_shape(
        self, task: Task, settings: ClassifierEvaluationSettings
    ) -> tuple[int, int, int, int]:
        return (1, _select(task, settings).channels, *task.input_size)

    def fed(
        self, network: nn.Module, task: Task, settings: ClassifierEvaluationSettings
    ) -> nn.Module:
        return selected(_select(task, settings), network, dict(task.inputs))

    def candidates_like(
        self,
        network: SearchedClassifierSettings,
        num_classes: int,
        input_shape: tuple[int, int, int, int],
    ) -> Candidates:
        assert isinstance(network, SearchedFaceNetworkSettings)
        names = network.inputs or tuple(network.channels)
        channels = sum(network.channels[name] for name in names)
        shape = (input_shape[0], channels, *input_shape[2:])
        return ClassifierCandidates(network.build_space(), num_classes, shape)

    def found(
        self, space: SearchSpace, genotype: Genotype, settings: ClassifierEvaluationSettings
    ) -> SearchedFaceNetworkSettings:
        assert isinstance(settings, FaceEvaluationSettings)
        return SearchedFaceNetworkSettings(
            space=search_spaces.address(space),
            space_options=dict(space.options),
            genotype=str(genotype),
            inputs=settings.inputs,
        )

    def untrained(self, network: Any, task: ClassificationTask, prepared: Any) -> nn.Module:
        return super().untrained(self.as_trained(network, task), task, prepared)


def _select(task: Task, settings: ClassifierEvaluationSettings) -> SelectInputs:
    assert isinstance(settings, FaceEvaluationSettings)
    return SelectInputs(task.inputs, settings.inputs or tuple(task.inputs))


def _faces(task: ClassificationTask) -> AntiSpoofingTask:
    if not isinstance(task, AntiSpoofingTask):
        raise TypeError(f"task {task.name!r} has no faces")
    return task
