"""Evaluates the candidates of a search on images: build, train in phases, score, count."""

from __future__ import annotations

from nas.evaluation.clock import Clock
from nas.evaluation.costs import CostMeter
from nas.evaluation.evaluation import Decide, Evaluation, Rung, go_on
from nas.evaluation.failures import reasons
from nas.kinds.kind import Prepared
from nas.kinds.registry import kind_of
from nas.settings import Settings
from nas.training.phase import run_phase
from nas.training.scoring import ScoreCard
from nas.training.seeding import seeded
from search_spaces.genotype import Genotype


class Evaluator:
    """Trains candidates from random weights and scores them on the validation split.

    Args:
        prepared: What all candidates share, the task included.
        settings: How candidates are evaluated, of the task's kind.
        costs: Tells what candidates cost, and builds them.
        metric: What the reward is made of; candidates are scored by it too.

    Attributes:
        costs: Tells what candidates cost without training them.
    """

    def __init__(
        self, prepared: Prepared, settings: Settings, costs: CostMeter, metric: str = "f1"
    ) -> None:
        self._kind = kind_of(prepared.task)
        self._prepared = prepared
        self._settings = settings
        self._metric = metric
        self.costs = costs

    def evaluate(self, genotype: Genotype, seed: int, decide: Decide = go_on) -> Evaluation:
        """Evaluates a candidate; the same genotype and seed give the same scores.

        It is scored at the rungs within a phase and at the end of every phase; all but the last of
        these are rungs.

        Args:
            genotype: The candidate.
            seed: Of weights, order and augmentation.
            decide: Asked at every rung whether to go on.

        Raises:
            EvaluationError: If it cannot be built, runs out of memory or diverges.
        """
        with reasons(genotype):
            return self._evaluate(genotype, seed, decide)

    def _evaluate(self, genotype: Genotype, seed: int, decide: Decide) -> Evaluation:
        kind, prepared, settings = self._kind, self._prepared, self._settings
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
                result = run_phase(phase, goes_on, clock.lap)
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
