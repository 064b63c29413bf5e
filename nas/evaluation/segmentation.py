"""Evaluates segmentation candidates: build, train in stages, score, count."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from nas.evaluation.costs import CostMeter
from nas.evaluation.evaluation import Evaluation, EvaluationError
from nas.evaluation.preparation import Prepared
from nas.evaluation.settings import EvaluationSettings
from nas.evaluation.stages import train_decoder, train_network
from nas.models.segmentation import SegmentationNetwork, without_auxiliary
from nas.training.fitting import score_network
from nas.training.loop import DivergedError
from nas.training.scoring import ScoreCard, score
from nas.training.seeding import seeded
from search_spaces.genotype import Genotype
from search_spaces.space import SearchSpace


class SegmentationEvaluator:
    """Evaluates candidates of a space on a segmentation task.

    Args:
        space: Builds the decoders.
        prepared: Encoder, teacher and cached maps.
        settings: Stages, distillation, auxiliary heads.
        latency_device: ``cpu`` or ``cuda:N`` to measure the latency there, None for counts only.

    Attributes:
        costs: Counts and measures candidates without training them.
    """

    def __init__(
        self,
        space: SearchSpace,
        prepared: Prepared,
        settings: EvaluationSettings,
        latency_device: str | None = None,
    ):
        task = prepared.task
        self._prepared = prepared
        self._settings = settings
        self._device = next(prepared.encoder.parameters()).device
        self.costs = CostMeter(
            space, prepared.encoder, len(task.classes), task.input_size, latency_device
        )

    def evaluate(self, genotype: Genotype, seed: int) -> Evaluation:
        """Trains a candidate from random weights and scores it on the validation split.

        Raises:
            EvaluationError: If it cannot be built, runs out of memory or diverges.
        """
        with _reasons(genotype):
            return self._evaluate(genotype, seed)

    def _evaluate(self, genotype: Genotype, seed: int) -> Evaluation:
        clock = _Clock()
        curves: dict[str, list[float]] = {}
        with seeded(seed, "candidate"):
            # Costs come before training: what cannot be counted need not be trained.
            costs, details = self.costs.measured(genotype)
            clock.lap("costs")
            decoder = self._build(genotype, seed)
            clock.lap("build")
            if self._settings.stage0.enabled:
                curves["stage0"] = train_decoder(decoder, self._prepared, self._settings, seed)
                clock.lap("stage0")
            network: SegmentationNetwork | None = None
            if self._settings.stage1.enabled:
                network, curves["stage1"] = train_network(
                    decoder, self._prepared, self._settings, seed
                )
                clock.lap("stage1")
            card = self._score(decoder, network)
            clock.lap("score")
        return Evaluation(
            scores=card.scores,
            macro=card.macro,
            groups=card.groups,
            costs=costs,
            curves=curves,
            seconds=clock.laps | {"total": sum(clock.laps.values())},
            details=details,
        )

    def _build(self, genotype: Genotype, seed: int) -> nn.Module:
        # Seeded apart from the costs, whose building draws random weights too.
        with seeded(seed, "weights"):
            decoder = self.costs.build(genotype)
        if self._settings.auxiliary_weight == 0:
            without_auxiliary(decoder)
        return decoder.to(self._device)

    def _score(self, decoder: nn.Module, network: SegmentationNetwork | None) -> ScoreCard:
        task = self._prepared.task
        if network is not None:
            return score_network(network.eval(), task, "validation", self._device)
        decoder.eval()
        features = self._prepared.validation
        assert features is not None  # stage 0 ran

        def logits() -> Iterator[torch.Tensor]:
            with torch.inference_mode():
                for start in range(0, len(features), 64):
                    yield decoder(features.gather(slice(start, start + 64)))

        return score(logits(), features.masks, task.classes, task.ignore_index, task.groups)


class _Clock:
    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self.laps[name] = now - self._last
        self._last = now


@contextmanager
def _reasons(genotype: Genotype) -> Iterator[None]:
    """Turns what a candidate can do wrong into a reason that is recorded with its trial."""
    try:
        yield
    except DivergedError as error:
        raise EvaluationError(f"diverged: {error}") from error
    except torch.OutOfMemoryError as error:
        torch.cuda.empty_cache()
        raise EvaluationError(f"out of memory: {_first_line(error)}") from error
    except (MemoryError, RuntimeError, ValueError) as error:
        kind = "out of memory" if _is_memory(error) else "failed"
        raise EvaluationError(f"{kind}: {_first_line(error)} (genotype {genotype})") from error


def _is_memory(error: Exception) -> bool:
    # The CPU allocator of torch raises a plain RuntimeError.
    texts = ("not enough memory", "can't allocate memory")
    return isinstance(error, MemoryError) or any(text in str(error) for text in texts)


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0]
