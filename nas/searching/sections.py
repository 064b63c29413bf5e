"""The sections of a search's configuration that are the same for every kind of task."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

import rewards
import search_spaces
from nas import controllers
from nas.errors import UserError
from nas.settings import Settings


def _address(find: Callable[[Any], str]) -> Callable[[str], str]:
    """Turns a name into what other processes find the same thing by; an unknown one stays."""

    def addressed(name: str) -> str:
        try:
            return find(name)
        except ValueError:
            # The registry that creates it reports the error.
            return name
        except UserError:
            return name

    return addressed


class SpaceSettings(Settings):
    """Which search space.

    Attributes:
        name: Of a space, or its import path.
        options: Its sizes, such as widths and numbers of cells; `nas space show NAME` lists them.
    """

    name: Annotated[str, AfterValidator(_address(search_spaces.address))] = "fastnas"
    options: dict[str, Any] = Field(default_factory=dict)


class ControllerSettings(Settings):
    """Which controller.

    Attributes:
        name: Of a controller, or its import path.
        settings: Its own, such as its learning rate.
    """

    name: Annotated[str, AfterValidator(_address(controllers.address))] = controllers.DEFAULT
    settings: dict[str, Any] = Field(default_factory=dict)


class DropSettings(Settings):
    """No bonus for a candidate that is under both floors.

    Attributes:
        cost_floor: In the unit of the cost.
        quality_floor: From 0 to 1.
    """

    cost_floor: float
    quality_floor: float


class PenaltySettings(Settings):
    """One cost that lowers the reward: (cost / base) ** exponent.

    Attributes:
        cost: Its name or import path.
        base: Where the factor is 1. "auto" is the median cost of 200 sampled genotypes, found once,
            before the first trial.
        exponent: 0 or below.
        drop: No bonus for candidates that are both cheap and bad; null gives it to all.
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

    Attributes:
        metric: A metric, by its name or import path.
        aggregate: How the scores of the classes become one: mean, geometric_mean or minimum.
        classes: Those that count; null takes the reward classes of the task.
        penalties: Costs that lower the reward; see `PenaltySettings`.
        combine: How several penalised rewards become one: mean, product or geometric_mean.
    """

    metric: Annotated[str, AfterValidator(_address(rewards.metric_address))] = "f1"
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


class PromotionSettings(Settings):
    """Successive halving: a candidate is trained on only if it is promising so far.

    Asynchronous successive halving (Li et al. 2020, https://arxiv.org/abs/1810.05934) in its
    stopping form: at each rung a candidate goes on if its reward there is among the best
    1 / `reduction` of all candidates that reached the rung before it.

    Attributes:
        reduction: About 1 / `reduction` of the candidates at a rung go on.
        at_once: Number of candidates that go on at each rung before any is compared.
    """

    reduction: float = Field(default=3.0, gt=1)
    at_once: int = Field(default=3, ge=1)


class CandidateSettings(Settings):
    """What a candidate may take before it is recorded as failed.

    Attributes:
        seconds: Longest time from the draw to the scores. "auto" is ten times the median of the
            latest candidates, at least 600, and a day for the first three; null is any time.
        memory: Largest resident memory of the process that trains it, in bytes, mapped files left
            out; Linux only.
        epochs_without_progress: Epochs of a phase in a row in which its mean loss does not fall
            below what it was.
    """

    seconds: Literal["auto"] | float | None = "auto"
    memory: int | None = Field(default=None, ge=1)
    epochs_without_progress: int | None = Field(default=None, ge=1)

    @field_validator("seconds")
    @classmethod
    def _seconds_are_positive(cls, seconds: float | str | None) -> float | str | None:
        if isinstance(seconds, (int, float)) and not seconds > 0:
            raise ValueError(f"must be above 0, 'auto' or null, not {seconds}")
        return seconds


class FinalistSettings(Settings):
    """Candidates of the front that are trained in full when a search is complete.

    Attributes:
        count: How many at most, those of the highest reward; 0 leaves it out.
        epochs: Of the whole training of the last one.
        halving: Whether the worse half drops out each time: of four and 20 epochs, four are
            trained for 5, two for 10 and one for 20. Otherwise all are trained to the end.
    """

    count: int = Field(default=0, ge=0)
    epochs: int = Field(default=20, ge=1)
    halving: bool = True
