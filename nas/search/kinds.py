"""The kinds of searches, and what each is configured by."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field, model_validator

import search_spaces
from nas.distillation.terms import TermSettings
from nas.evaluation.classification.settings import ClassifierEvaluationSettings
from nas.evaluation.latency.settings import LatencySettings
from nas.evaluation.settings import EvaluationSettings
from nas.search.config import RewardSettings, SearchConfig, SpaceSettings
from nas.settings import overridden, read_yaml, validate
from nas.training.classification.settings import ClassifierFitSettings
from nas.training.fitting import FitSettings
from nas.training.stage_settings import StageTraining


class ImageSearchConfig(SearchConfig):
    """A search whose candidates are trained on images.

    Attributes:
        task: Name of a built-in task, a folder with its images, or a YAML file.
        task_options: Options of a built-in task, or values that replace those of a task.yaml, for
            example ``{"input_size": [120, 160]}``.
        data: Folder of the images, where `task` is a YAML file elsewhere.
        latency: Where and how the latency of candidates is told.
        cache: Folder of what can be computed again, shared by several runs; null is the run's own.
        retraining: Settings of ``nas retrain``.
        retraining_losses: Losses of ``nas retrain`` towards the teacher; what serves a short
            training best does not serve a long one (docs/results.md).
    """

    task: str
    task_options: dict[str, Any] = {}
    data: str | None = None
    latency: LatencySettings = LatencySettings()
    cache: str | None = None
    retraining: StageTraining
    retraining_losses: tuple[TermSettings, ...]

    @model_validator(mode="before")
    @classmethod
    def _of_before(cls, values: Any) -> Any:
        """Runs of before have one key, and measured every candidate."""
        if not isinstance(values, dict) or "latency_device" not in values:
            return values
        device = values["latency_device"]
        others = {key: value for key, value in values.items() if key != "latency_device"}
        return {"latency": {"device": device, "source": "measured"}} | others


class RetrainingSettings(FitSettings):
    """Training of ``nas retrain``; its encoder starts from the weights of the search."""

    epochs: int = Field(40, ge=1)


class SegmentationSearchConfig(ImageSearchConfig):
    """A search for segmentation decoders.

    Attributes:
        evaluation: Settings of the evaluator.
    """

    task: str = "faces"
    evaluation: EvaluationSettings = EvaluationSettings()
    retraining: RetrainingSettings = RetrainingSettings()
    retraining_losses: tuple[TermSettings, ...] = (TermSettings(method="logit_mse"),)

    @property
    def has_teacher(self) -> bool:
        """See `SearchConfig.has_teacher`."""
        return self.evaluation.distillation.enabled


class ClassifierRetrainingSettings(ClassifierFitSettings):
    """Training of ``nas retrain``, from random weights."""

    epochs: int = Field(60, ge=1)


class ClassificationSearchConfig(ImageSearchConfig):
    """A search for classifiers.

    Attributes:
        evaluation: Settings of the evaluator.
    """

    task: str = "digits"
    space: SpaceSettings = SpaceSettings(name="nasbench201")
    evaluation: ClassifierEvaluationSettings = ClassifierEvaluationSettings()
    retraining: ClassifierRetrainingSettings = ClassifierRetrainingSettings()
    retraining_losses: tuple[TermSettings, ...] = (TermSettings(method="soft_target"),)

    @property
    def has_teacher(self) -> bool:
        """See `SearchConfig.has_teacher`."""
        return self.evaluation.distillation.enabled


class TableRewardSettings(RewardSettings):
    """How the figures of a table become a quality; accuracy is the only metric of one."""

    metric: str = "accuracy"


class TableSearchConfig(SearchConfig):
    """A search that looks its candidates up in a table, where nothing is trained.

    Attributes:
        table: The file; see `nas.evaluation.table`.
        dataset: Which of its data sets counts.
    """

    space: SpaceSettings = SpaceSettings(name="nasbench201")
    reward: TableRewardSettings = TableRewardSettings()
    table: str
    dataset: str = "cifar10"


def config_class(values: Mapping[str, Any]) -> type[SearchConfig]:
    """The configuration that raw values are meant for: told by a table, or by the space."""
    if values.get("table") is not None:
        return TableSearchConfig
    space = values.get("space")
    name = space.get("name") if isinstance(space, Mapping) else None
    if name in search_spaces.names() and search_spaces.kind(str(name)) == "classification":
        return ClassificationSearchConfig
    return SegmentationSearchConfig


def load_config(path: Path | None, overrides: Mapping[str, Any]) -> SearchConfig:
    """Reads the configuration of a search.

    Defaults give way to the file, and the file to the overrides.

    Args:
        path: A YAML file, or none.
        overrides: Values by dotted key, for example ``{"space.options.cells": 2}``.

    Raises:
        UserError: If the file cannot be read, or a key or value is wrong.
    """
    values = {} if path is None else read_yaml(path) or {}
    source = "configuration" if path is None else str(path)
    if not isinstance(values, dict):
        validate(SearchConfig, values, source)
    resolved = overridden(values, overrides)
    config = config_class(resolved)
    # The file alone, so that the message can name it; the table may come from elsewhere.
    table = {"table": resolved["table"]} if config is TableSearchConfig else {}
    validate(config, {**table, **values}, source)
    return validate(config, resolved, "configuration" if overrides else source)
