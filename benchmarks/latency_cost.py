"""What the latency of a candidate costs a search, in processor time.

The device is calibrated first. Candidates are then counted, counted and predicted, and measured by
what a search does these with: the meter that every candidate goes through, and the confirmation of
those that reach the front.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
from latency_prediction import add_options, make_candidates

import latency
from nas.evaluation.costs import CostMeter, Extras
from nas.evaluation.evaluation import EmptyNetworkError
from nas.evaluation.known import Known
from nas.evaluation.latency.calibration import calibrate
from nas.evaluation.latency.confirmation import COST, Confirmation
from nas.evaluation.latency.details import MEASURED
from nas.evaluation.latency.forecast import Forecast
from nas.kinds.candidates import Candidates
from search_spaces.genotype import Genotype

T = TypeVar("T")
WARMING = 3
"""Candidates that come first and do not count: libraries load what they need."""


def main() -> None:
    """Calibrates, measures and prints."""
    options = parse_arguments()
    torch.set_num_threads(1)
    candidates = make_candidates(options)
    identity = latency.identify(options.device, options.threads, options.engine)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        # The last line tells how many could not be measured well.
        warnings.simplefilter("ignore", latency.NoiseWarning)
        path = Path(folder, "predictor.json")
        calibrate(
            *(candidates, options.device, options.engine, options.threads),
            *(options.calibration, options.seed, path),
        )
        forecast = Forecast(candidates, identity, path)
        print(f"{identity.key}\n{candidates.family}\n")
        chosen = sampled(candidates, options)
        told = [predicted(genotype, candidates, forecast) for genotype in chosen]
        print("milliseconds of processor time, the median, the quartiles and the longest:")
        print(row(f"counting {options.networks}", [one.counting for one in told]))
        print(row("predicting them, beyond that", [one.predicting for one in told]))
        confirmation = Confirmation(candidates, forecast, options.device)
        finalists = [confirmed(confirmation, one) for one in told[: WARMING + options.finalists]]
    print(row(f"measuring {options.finalists}", [seconds for seconds, _ in finalists]))
    sure = sum(is_measured for _, is_measured in finalists[WARMING:])
    print(f"\n{sure} of {options.finalists} measurements took the place of the prediction")


def parse_arguments() -> argparse.Namespace:
    """The options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_options(parser)
    parser.add_argument("--networks", type=int, default=60, help="how many are predicted")
    parser.add_argument("--finalists", type=int, default=24, help="how many are measured")
    options = parser.parse_args()
    if not 1 < options.finalists <= options.networks:
        parser.error("--finalists must be from 2 to the number of --networks.")
    return options


@dataclass
class Predicted:
    """A candidate with all costs.

    Attributes:
        genotype: What it is.
        known: Its costs, with the predicted latency.
        counting: Seconds that its counts took.
        predicting: Seconds that the latency took beyond that.
    """

    genotype: Genotype
    known: Known
    counting: float
    predicting: float


def sampled(candidates: Candidates, options: argparse.Namespace) -> list[Genotype]:
    """Candidates that compute something; of about one decoder in sixty no path leads to logits."""
    rng, meter = random.Random(f"cost {options.seed}"), CostMeter(candidates)
    chosen: list[Genotype] = []
    while len(chosen) < WARMING + options.networks:
        genotype = candidates.sample(rng)
        with suppress(EmptyNetworkError):
            meter.known(genotype)
            chosen.append(genotype)
    return chosen


def predicted(genotype: Genotype, candidates: Candidates, forecast: Forecast) -> Predicted:
    """Counts a candidate, and counts and predicts it, by meters that have not seen it."""
    _, counting = timed(lambda: CostMeter(candidates).known(genotype))
    known, both = timed(lambda: CostMeter(candidates, Extras(forecast)).known(genotype))
    return Predicted(genotype, known, counting, both - counting)


def confirmed(confirmation: Confirmation, one: Predicted) -> tuple[float, bool]:
    """Seconds that a measurement took, with building and export, and whether it counts."""
    record = {"costs": one.known.costs, "details": one.known.details, "seconds": {}}
    after, seconds = timed(lambda: confirmation(one.genotype, record))
    return seconds, after["details"][COST]["source"] == MEASURED


def timed(step: Callable[[], T]) -> tuple[T, float]:
    """What a step returns, and the processor time of all threads that it took."""
    start = time.process_time()
    result = step()
    return result, time.process_time() - start


def row(name: str, seconds: Sequence[float]) -> str:
    """A line of the table."""
    kept = [one * 1000 for one in seconds[WARMING:]]
    low, middle, high = statistics.quantiles(kept, n=4)
    return f"{name:30} {middle:8.1f}   {low:7.1f} to {high:7.1f}   {max(kept):8.1f}"


if __name__ == "__main__":
    main()
