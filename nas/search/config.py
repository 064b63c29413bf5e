"""The configuration of a search."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from nas.distillation.terms import TermSettings
from nas.evaluation.settings import EvaluationSettings
from nas.settings import Settings, overridden, read_yaml, validate
from nas.training.fitting import FitSettings


class SpaceSettings(Settings):
    """Which search space, and its size options."""

    name: str = "fastnas"
    options: dict[str, Any] = Field(default_factory=dict)


class ControllerSettings(Settings):
    """Which controller, and its own settings."""

    name: str = "reinforce"
    settings: dict[str, Any] = Field(default_factory=dict)


class DropSettings(Settings):
    """No bonus for a candidate that is under both floors."""

    cost_floor: float
    quality_floor: float


class PenaltySettings(Settings):
    """One cost that lowers the reward: (cost / base) ** exponent.

    `base: auto` is the median cost of 200 sampled genotypes; it is resolved once, before the
    first trial.
    """

    cost: str
    base: Literal["auto"] | float = "auto"
    exponent: float = -0.6
    drop: DropSettings | None = None

    @field_validator("base")
    @classmethod
    def _base_is_positive(cls, base: float | str) -> float | str:
        if not isinstance(base, str) and not base > 0:
            raise ValueError(f"must be above 0 or 'auto', not {base}")
        return base

    @field_validator("exponent")
    @classmethod
    def _exponent_penalises(cls, exponent: float) -> float:
        if not exponent <= 0:
            raise ValueError(f"must be 0 or below, not {exponent}")
        return exponent


class RewardSettings(Settings):
    """How the scores of a candidate become its quality, and its costs a penalty.

    `classes: null` takes the reward classes of the task.
    """

    metric: str = "f1"
    aggregate: Literal["mean", "geometric_mean", "minimum"] = "mean"
    classes: tuple[str, ...] | None = None
    penalties: tuple[PenaltySettings, ...] = ()
    combine: Literal["mean", "product", "geometric_mean"] = "mean"

    @model_validator(mode="after")
    def _costs_differ(self) -> RewardSettings:
        costs = [penalty.cost for penalty in self.penalties]
        if len(set(costs)) != len(costs):
            raise ValueError(f"a cost is penalised twice: {', '.join(costs)}")
        return self


class RetrainingSettings(FitSettings):
    """Training of ``nas retrain``; its encoder starts from the weights of the search."""

    epochs: int = Field(40, ge=1)


class SearchConfig(Settings):
    """Everything that a search needs to be repeated.

    Attributes:
        task: Name of a built-in task, a folder with ``task.yaml``, or a YAML file.
        task_options: Options of a built-in task, or values that replace those of a task.yaml, for
            example ``{"input_size": [120, 160]}``.
        data: Folder of the images, where `task` is a YAML file elsewhere.
        evaluation: Settings of the evaluator.
        retraining: Settings of ``nas retrain``.
        retraining_losses: Its losses towards the teacher; what serves a short training best does
            not serve a long one (docs/results.md).
        trials: Number of finished candidates asked for.
        workers: Number of local worker processes; 1 works in the calling process.
        storage: URL of a database that several machines reach; null is a file in the run
            folder. Leave a password out of it and in the database client's own file.
        device: "auto", "cpu" or for example "cuda:0"; "auto" spreads workers over the GPUs.
        latency_device: Where latency is measured; null is where candidates are trained.
        cache: Folder of what can be computed again, shared by several runs; null is the run's own.
        heartbeat: Seconds between two signs of life of a worker; one that is silent for six
            times as long is given up as lost.
        failures_in_a_row: That many failing candidates without a success between end the search.
    """

    task: str = "faces"
    task_options: dict[str, Any] = {}
    data: str | None = None
    space: SpaceSettings = SpaceSettings()
    controller: ControllerSettings = ControllerSettings()
    reward: RewardSettings = RewardSettings()
    evaluation: EvaluationSettings = EvaluationSettings()
    retraining: RetrainingSettings = RetrainingSettings()
    retraining_losses: tuple[TermSettings, ...] = (TermSettings(method="logit_mse"),)
    trials: int = Field(default=24, ge=1)
    workers: int = Field(default=1, ge=1)
    seed: int = Field(default=0, ge=0)
    storage: str | None = None
    device: str = "auto"
    latency_device: str | None = None
    cache: str | None = None
    heartbeat: int = Field(default=10, ge=1)
    failures_in_a_row: int = Field(default=5, ge=1)

    @property
    def objectives(self) -> tuple[str, ...]:
        """The objectives of the study: the quality, then every penalised cost."""
        return ("quality", *(penalty.cost for penalty in self.reward.penalties))

    @property
    def grace(self) -> int:
        """Seconds of silence after which a worker is given up as lost."""
        return 6 * self.heartbeat


def load_config(path: Path | None, overrides: Mapping[str, Any]) -> SearchConfig:
    """Reads a configuration; defaults give way to the file, the file to the overrides.

    Args:
        path: A YAML file, or none.
        overrides: Values by dotted key, for example ``{"space.options.cells": 2}``.

    Raises:
        UserError: If the file cannot be read, or a key or value is wrong.
    """
    values = {} if path is None else read_yaml(path) or {}
    source = "configuration" if path is None else str(path)
    validate(SearchConfig, values, source)
    resolved = overridden(values, overrides)
    return validate(SearchConfig, resolved, "configuration" if overrides else source)
