"""What evaluating a candidate gives."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from search_spaces.genotype import Genotype

DIVERGED = "diverged:"
"""Begins the reason of a candidate whose training diverged."""


class EvaluationError(Exception):
    """A candidate that could not be evaluated; the message is the reason that is recorded."""


class MemoryLackError(EvaluationError):
    """A candidate whose training needs more memory than there is."""


class EmptyNetworkError(EvaluationError):
    """A candidate in which no path leads from the image to the logits."""


@dataclass(frozen=True)
class Rung:
    """A candidate that is scored on its way.

    Attributes:
        name: Of the rung, for example ``stage0`` or ``epoch 2``.
        scores: As those of an `Evaluation`.
        costs: Likewise.
    """

    name: str
    scores: dict[str, dict[str, float]]
    costs: dict[str, float]


Decide = Callable[[Rung], bool]
"""Told of every rung but the last; False ends the training there."""


def go_on(rung: Rung) -> bool:
    """Trains every candidate to its end."""
    return True


@dataclass(frozen=True)
class Evaluation:
    """Everything that was observed of a candidate.

    Attributes:
        scores: Metric (f1, iou, accuracy), then class; NaN where a class occurs nowhere.
        macro: Mean of each metric over the classes that occur.
        groups: F1 of each class group.
        costs: params, macs, flops, and latency in milliseconds where it was measured.
        curves: Mean loss of every epoch, by stage.
        seconds: Time of each part.
        details: Whatever explains a figure: device identity, spread of the latency.
        rung: Name of the rung where the scores were taken.
        stopped: Whether training ended there before its time.
    """

    scores: dict[str, dict[str, float]]
    macro: dict[str, float]
    groups: dict[str, float]
    costs: dict[str, float]
    curves: dict[str, list[float]]
    seconds: dict[str, float]
    details: dict[str, Any] = field(default_factory=dict)
    rung: str = "final"
    stopped: bool = False

    def to_record(self) -> dict[str, Any]:
        """A JSON-serialisable form; what is not a number is left out."""
        record: dict[str, Any] = _without_nan(asdict(self))
        return record


class Evaluator(Protocol):
    """Evaluates one candidate at a time."""

    def evaluate(self, genotype: Genotype, seed: int, decide: Decide = go_on) -> Evaluation:
        """The same genotype and seed give the same scores, whatever came before.

        Args:
            genotype: The candidate.
            seed: Of weights, order and augmentation.
            decide: Asked at every rung on the way whether to go on.

        Raises:
            EvaluationError: If the candidate cannot be built, runs out of memory or diverges.
        """


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _without_nan(v) for k, v in value.items() if not _is_nan(v)}
    return value


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)
