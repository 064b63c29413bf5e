"""What a candidate costs when it is deployed."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

import latency
from latency.costs import Cost, Source
from latency.counting.thop_check import thop_warning
from nas.evaluation.evaluation import EmptyNetworkError
from nas.evaluation.failures import reasons
from nas.evaluation.known import Known, Remembered
from nas.evaluation.latency.details import predicted_details
from nas.evaluation.latency.forecast import Forecast
from nas.kinds.candidates import Candidates
from search_spaces.genotype import Genotype

LATENCY = "latency"
"""The cost in milliseconds."""
_DRAWS = 50


@dataclass(frozen=True)
class Extras:
    """Costs besides the counts, which take longer and so are told only where they are asked for.

    Attributes:
        forecast: Predicts latencies; None predicts none.
        counted: Costs that are told of a network on the meta device, which does not run.
        measured: Costs for which each network has to run.
    """

    forecast: Forecast | None = None
    counted: tuple[Cost, ...] = ()
    measured: tuple[Cost, ...] = ()


COUNTS_ONLY = Extras()


class CostMeter:
    """Tells what whole networks cost: encoder included, auxiliary heads left out.

    Every figure is found once, so that asking again costs nothing. Torch's random numbers stay as
    they are.

    Args:
        candidates: The networks.
        extras: What is told besides params, macs and flops.

    Attributes:
        candidates: The networks.
    """

    def __init__(self, candidates: Candidates, extras: Extras = COUNTS_ONLY) -> None:
        self.candidates = candidates
        self._extras = extras
        self._counted = Remembered(self._count)
        self._known = Remembered(self._measure)

    def counts(self, genotype: Genotype) -> dict[str, float]:
        """The costs that are told without running a network.

        Those are parameters, MACs and FLOPs of one forward pass of one image, and the predicted
        latency and the memory where they are asked for.

        Raises:
            EvaluationError: If the candidate cannot be built.
        """
        with reasons(genotype):
            return dict(self._counted(genotype).costs)

    def known(self, genotype: Genotype) -> Known:
        """Every cost, those included for which the network has to run.

        Raises:
            EvaluationError: If the candidate cannot be built, exported or run, or computes nothing.
        """
        with reasons(genotype):
            check_computes(self.counts(genotype))
            return self._known(genotype)

    def known_costs(self, genotype: Genotype) -> dict[str, float]:
        """The costs of `known`, without their details."""
        return dict(self.known(genotype).costs)

    def _count(self, genotype: Genotype) -> Known:
        # Building draws random weights.
        with torch.random.fork_rng(devices=[]):
            if self._extras.forecast is None:
                known = Known(_by_name(self.candidates.counts(genotype)))
            else:
                known = self._predicted(genotype, self._extras.forecast)
            hollow = tuple(cost for cost in self._extras.counted if not cost.needs_build)
            if hollow:
                known = self._with(known, hollow, self.candidates.outline(genotype))
            built = tuple(cost for cost in self._extras.counted if cost.needs_build)
            return self._with(known, built, self.candidates.network(genotype)) if built else known

    def _predicted(self, genotype: Genotype, forecast: Forecast) -> Known:
        dissected = self.candidates.dissected(genotype)
        prediction = forecast.predict_operators(dissected.operators)
        return Known(
            _by_name(dissected.counts) | {LATENCY: prediction.ms},
            {LATENCY: predicted_details(prediction, forecast.device)},
        )

    def _measure(self, genotype: Genotype) -> Known:
        with torch.random.fork_rng(devices=[]):
            known = self._counted(genotype)
            if not self._extras.measured:
                return known
            return self._with(known, self._extras.measured, self.candidates.network(genotype))

    def _with(self, known: Known, more: tuple[Cost, ...], network: nn.Module) -> Known:
        shape = self.candidates.input_shape
        figures = {cost.name: cost.measure(network, shape) for cost in more}
        costs: dict[str, float] = {name: figure.value for name, figure in figures.items()}
        details: dict[str, Any] = {
            cost.name: {"source": _source(cost)} | figures[cost.name].details for cost in more
        }
        return Known(known.costs | costs, known.details | details)


def second_opinion(candidates: Candidates, rng: random.Random) -> str | None:
    """Whether thop counts the multiply-accumulates of one candidate as we do.

    Args:
        candidates: The networks of a search.
        rng: Draws the candidate.

    Returns:
        A sentence where the two counts differ by more than 10 %, else None; None too where no
        candidate that was drawn is a network.
    """
    for _ in range(_DRAWS):
        genotype = candidates.sample(rng)
        # Building draws random weights.
        with torch.random.fork_rng(devices=[]):
            if candidates.counts(genotype).macs > 0:
                return thop_warning(candidates.network(genotype), candidates.input_shape)
    return None


def _source(cost: Cost) -> str:
    return "counted" if cost.source is Source.COUNTED else "measured"


def check_computes(costs: Mapping[str, float]) -> None:
    """Refuses a network that is none.

    A penalty would reward it beyond measure, and no controller should learn that.

    Raises:
        EmptyNetworkError: If no path leads through it.
    """
    if not costs["macs"]:
        raise EmptyNetworkError("no path leads from the image to the logits")


def _by_name(counts: latency.Counts) -> dict[str, float]:
    return {
        "params": float(counts.parameters),
        "macs": float(counts.macs),
        "flops": float(counts.flops),
    }
