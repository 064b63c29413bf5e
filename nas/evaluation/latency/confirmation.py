"""Latencies of the best candidates, measured after they were predicted."""

from __future__ import annotations

import time
from typing import Any

import latency
from nas.errors import sentence
from nas.evaluation.latency.details import measured_details, unconfirmed_details
from nas.evaluation.latency.forecast import Forecast
from nas.evaluation.latency.measurement import measure_candidate
from nas.kinds.candidates import Candidates
from search_spaces.genotype import Genotype

COST = "latency"
_ATTEMPTS = 1
"""A busy machine seldom rests within a second, and the ratio to the reference is mostly known."""


class Confirmation:
    """Measures the latency of a trained candidate in place of its prediction.

    The measurement teaches the forecast too. It takes about a second, so it is for the candidates
    that matter most.

    Args:
        candidates: The networks.
        forecast: What predicted.
        device: "cpu", "cuda" or "cuda:N", where the forecast is for.
    """

    def __init__(self, candidates: Candidates, forecast: Forecast, device: str) -> None:
        self._candidates = candidates
        self._forecast = forecast
        self._device = device

    def __call__(self, genotype: Genotype, record: dict[str, Any]) -> dict[str, Any]:
        """The record of a candidate, with its measured latency.

        Where the machine was too busy for a figure to be comparable, or the network does not run
        there, the prediction stays, and the details say why.

        Args:
            genotype: The candidate.
            record: As an evaluation gives it, with a predicted latency.
        """
        start = time.perf_counter()
        costs, details = dict(record["costs"]), dict(record["details"])
        predicted = details[COST]
        try:
            figure = self._measure(genotype)
        except latency.LatencyError as error:
            details[COST] = unconfirmed_details(predicted, sentence(str(error)))
        else:
            if not figure.comparable:
                reason = "the machine was too busy to measure it."
                details[COST] = unconfirmed_details(predicted, reason, figure)
            else:
                costs[COST] = figure.normalised_ms
                details[COST] = measured_details(figure, predicted)
                self._forecast.observe(genotype, figure.normalised_ms)
        seconds = {**record["seconds"], COST: time.perf_counter() - start}
        return record | {"costs": costs, "details": details, "seconds": seconds}

    def _measure(self, genotype: Genotype) -> latency.Latency:
        return measure_candidate(
            self._candidates,
            genotype,
            self._forecast.device,
            self._device,
            self._forecast.reference_ms,
            _ATTEMPTS,
        )
