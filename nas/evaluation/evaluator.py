"""Evaluates the candidates of a search on images: build, train in phases, score, count."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, TypeVar

from nas.evaluation.clock import Clock
from nas.evaluation.costs import CostMeter
from nas.evaluation.evaluation import Decide, Evaluation, MemoryLackError, Rung, go_on
from nas.evaluation.failures import reasons
from nas.kinds.kind import Prepared
from nas.kinds.registry import kind_of
from nas.settings import Settings
from nas.training.phase import run_phase
from nas.training.scoring import ScoreCard
from nas.training.seeding import seeded
from search_spaces.genotype import Genotype

S = TypeVar("S", bound=Settings)

HALF_BATCH = "half_batch"
"""Key among the details of a candidate that was trained with half the batch: why."""
_TEACHER = "teacher"
_BATCH = "batch_size"


class Evaluator:
    """Trains candidates from random weights and scores them on the validation split.

    Args:
        prepared: What all candidates share, the task included.
        settings: How candidates are evaluated, of the task's kind.
        costs: Tells what candidates cost, and builds them.
        metric: What the reward is made of; candidates are scored by it too.
        patience: Epochs of a phase without progress after which a candidate has failed; None is
            any number.

    Attributes:
        costs: Tells what candidates cost without training them.
    """

    def __init__(
        self,
        prepared: Prepared,
        settings: Settings,
        costs: CostMeter,
        metric: str = "f1",
        patience: int | None = None,
    ) -> None:
        self._patience = patience
        self._kind = kind_of(prepared.task)
        self._prepared = prepared
        self._settings = settings
        self._metric = metric
        self.costs = costs

    def evaluate(self, genotype: Genotype, seed: int, decide: Decide = go_on) -> Evaluation:
        """Evaluates a candidate; the same genotype and seed give the same scores.

        It is scored at the rungs within a phase and at the end of every phase; all but the last of
        these are rungs. One that runs out of memory is tried once more with half the batch, which
        its details tell.

        Args:
            genotype: The candidate.
            seed: Of weights, order and augmentation.
            decide: Asked at every rung whether to go on.

        Raises:
            EvaluationError: If it cannot be built, runs out of memory or diverges.
        """
        halved = with_half_batches(self._settings)
        try:
            with reasons(genotype):
                return self._evaluate(genotype, seed, decide, self._settings)
        except MemoryLackError as error:
            if halved == self._settings:
                raise
            # As text: the error holds what was allocated.
            reason = str(error)
        with reasons(genotype):
            found = self._evaluate(genotype, seed, decide, halved)
        return replace(found, details={**found.details, HALF_BATCH: reason})

    def _evaluate(self, genotype: Genotype, seed: int, decide: Decide, settings: Any) -> Evaluation:
        kind, prepared = self._kind, self._prepared
        clock = Clock()
        curves: dict[str, list[float]] = {}
        with seeded(seed, "candidate"):
            # Costs come before training: what cannot be counted need not be trained.
            known = self.costs.known(genotype)
            clock.lap("costs")
            with seeded(seed, "weights"):
                candidate = kind.build(self.costs.candidates, genotype, settings)
            candidate.to(prepared.device)
            clock.lap("build")

            def scored(card: ScoreCard) -> ScoreCard:
                return card.scored_by(self._metric, prepared.task.classes)

            def goes_on(rung: str, card: ScoreCard) -> bool:
                return decide(Rung(rung, scored(card).scores, known.costs))

            makers = kind.phases(candidate, prepared.of(genotype), settings, seed)
            for make in makers:
                phase = make()
                clock.lap("build")
                result = run_phase(phase, goes_on, clock.lap, self._patience)
                curves[phase.name] = result.curve
                stopped = result.stopped
                if not stopped and make is not makers[-1]:
                    stopped = not goes_on(result.rung, result.card)
                if stopped:
                    break
        card = scored(result.card)
        return Evaluation(
            scores=card.scores,
            macro=card.macro,
            groups=card.groups,
            costs=known.costs,
            curves=curves,
            seconds=clock.laps | {"total": sum(clock.laps.values())},
            details=known.details,
            rung=result.rung,
            stopped=stopped,
        )


def with_half_batches(settings: S) -> S:
    """Settings with half of every batch size but those of the teacher, and at least 1."""
    changes: dict[str, Any] = {}
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if isinstance(value, Settings) and name != _TEACHER:
            changes[name] = with_half_batches(value)
        elif name == _BATCH:
            changes[name] = max(1, value // 2)
    return settings.model_copy(update=changes)
