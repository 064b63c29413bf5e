"""Evaluates segmentation candidates: build, train in stages, score, count."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import nn

from nas.evaluation.clock import Clock
from nas.evaluation.costs import CostMeter
from nas.evaluation.evaluation import Decide, Evaluation, Rung, go_on
from nas.evaluation.failures import reasons
from nas.evaluation.latency.candidates import SegmentationCandidates
from nas.evaluation.preparation import Prepared
from nas.evaluation.settings import EvaluationSettings
from nas.evaluation.stages import train_decoder, train_network
from nas.models.segmentation import SegmentationNetwork, without_auxiliary
from nas.training.fitting import score_network
from nas.training.scoring import ScoreCard, score
from nas.training.seeding import seeded
from search_spaces.genotype import Genotype
from search_spaces.space import DecoderSpace


class SegmentationEvaluator:
    """Evaluates candidates of a space on a segmentation task.

    Args:
        space: Builds the decoders.
        prepared: Encoder, teacher and cached maps.
        settings: Stages, distillation, auxiliary heads.
        costs: Tells what candidates cost; they are counted unless it is given.

    Attributes:
        costs: Tells what candidates cost without training them.
    """

    def __init__(
        self,
        space: DecoderSpace,
        prepared: Prepared,
        settings: EvaluationSettings,
        costs: CostMeter | None = None,
    ):
        task = prepared.task
        self._prepared = prepared
        self._settings = settings
        self._device = next(prepared.encoder.parameters()).device
        self.costs = costs or CostMeter(
            SegmentationCandidates(space, prepared.encoder, len(task.classes), task.input_size)
        )

    def evaluate(self, genotype: Genotype, seed: int, decide: Decide = go_on) -> Evaluation:
        """Trains a candidate from random weights and scores it on the validation split.

        With both stages on, stage 0 is a rung: the candidate is scored between them.

        Raises:
            EvaluationError: If it cannot be built, runs out of memory or diverges.
        """
        with reasons(genotype):
            return self._evaluate(genotype, seed, decide)

    def _evaluate(self, genotype: Genotype, seed: int, decide: Decide) -> Evaluation:
        clock = Clock()
        curves: dict[str, list[float]] = {}
        with seeded(seed, "candidate"):
            # Costs come before training: what cannot be counted need not be trained.
            known = self.costs.known(genotype)
            clock.lap("costs")
            decoder = self._build(genotype, seed)
            clock.lap("build")
            climb = _Climb(decide, known.costs)
            if self._settings.stage0.enabled:
                curves["stage0"] = self._stage0(decoder, seed, climb)
                clock.lap("stage0")
                card = self._score_decoder(decoder)
                clock.lap("score")
                if self._settings.stage1.enabled and not climb.stopped:
                    climb.at("stage0", card)
            if self._settings.stage1.enabled and not climb.stopped:
                network, curves["stage1"] = train_network(
                    decoder, self._prepared, self._settings, seed
                )
                clock.lap("stage1")
                card = self._score_network(network)
                clock.lap("score")
        return Evaluation(
            scores=card.scores,
            macro=card.macro,
            groups=card.groups,
            costs=known.costs,
            curves=curves,
            seconds=clock.laps | {"total": sum(clock.laps.values())},
            details=known.details,
            rung=climb.last if climb.stopped else list(curves)[-1],
            stopped=climb.stopped,
        )

    def _stage0(self, decoder: nn.Module, seed: int, climb: _Climb) -> list[float]:
        def at_rung(epoch: int) -> bool:
            return climb.at(f"stage0 epoch {epoch}", self._score_decoder(decoder))

        return train_decoder(decoder, self._prepared, self._settings, seed, at_rung)

    def _build(self, genotype: Genotype, seed: int) -> nn.Module:
        with seeded(seed, "weights"):
            decoder = self.costs.candidates.build(genotype)
        if self._settings.auxiliary_weight == 0:
            without_auxiliary(decoder)
        return decoder.to(self._device)

    def _score_network(self, network: SegmentationNetwork) -> ScoreCard:
        return score_network(network.eval(), self._prepared.task, "validation", self._device)

    def _score_decoder(self, decoder: nn.Module) -> ScoreCard:
        task = self._prepared.task
        decoder.eval()
        features = self._prepared.validation
        assert features is not None  # stage 0 ran

        def logits() -> Iterator[torch.Tensor]:
            with torch.inference_mode():
                for start in range(0, len(features), 64):
                    yield decoder(features.gather(slice(start, start + 64)))

        return score(logits(), features.masks, task.classes, task.ignore_index, task.groups)


@dataclass
class _Climb:
    """Where a candidate has come to on its way."""

    decide: Decide
    costs: dict[str, float]
    last: str = ""
    stopped: bool = False

    def at(self, name: str, card: ScoreCard) -> bool:
        """Asks at a rung whether to go on."""
        self.last = name
        self.stopped = not self.decide(Rung(name, card.scores, self.costs))
        return not self.stopped
