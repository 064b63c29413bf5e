"""Measures what a predictor of latencies needs to know of a device."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import latency
from latency.devices.device import Placement, parse_device
from latency.devices.identity import DeviceIdentity
from latency.measuring.latency import Latency
from latency.predicting.operator_times import check_engine, time_operators
from latency.predicting.predictor import Predictor, clear_unreadable, shared_predictor
from latency.tracing.operators import Operator
from nas.evaluation.latency.forecast import predictor_path
from nas.evaluation.latency.measurement import measure_candidate
from nas.kinds.candidates import Candidates
from search_spaces.genotype import Genotype

NETWORKS = 15
_MOST_SAMPLES = 400
_WITHOUT_NEWS = 60
"""Samples in a row without a new operator, after which the space counts as known."""

Progress = Callable[[str, int, int], None]
"""Told what is measured, how many are, and how many there will be."""


@dataclass(frozen=True)
class Calibrated:
    """A device that was calibrated.

    Attributes:
        predictor: What predicts its latencies.
        path: Its file.
        operators: How many operators were timed.
        networks: How many networks were measured.
        noisy: How many of them could not be measured well, because the machine was busy.
        error: Relative error of a prediction, as a standard deviation.
    """

    predictor: Predictor
    path: Path
    operators: int
    networks: int
    noisy: int
    error: float


def calibrate(
    candidates: Candidates,
    device: str = "cpu",
    engine: str = "onnxruntime",
    threads: int = 1,
    networks: int = NETWORKS,
    seed: int = 0,
    path: Path | None = None,
    progress: Progress = lambda what, done, total: None,
) -> Calibrated:
    """Times the operators of a space and measures some of its networks.

    Networks are chosen from all over the range of latencies. What the file holds of other spaces
    stays.

    Args:
        candidates: Of the space.
        device: "cpu", "cuda" or "cuda:N".
        engine: What runs the networks.
        threads: CPU threads of one operator.
        networks: How many are measured.
        seed: Of the sampled candidates.
        path: File of the predictor; that of the device in the user's cache folder unless given.
        progress: Told of every measurement.

    Raises:
        LatencyError: If the device is missing, latencies of the engine cannot be predicted, or the
            file is of another device.
    """
    check_engine(engine)
    identity = latency.identify(device, threads, engine)
    target = path or predictor_path(identity)
    clear_unreadable(target, identity)
    pool = _sampled(candidates, seed, networks)
    predictor = Predictor(identity)
    operators = list({one.key: one for _, parts in pool for one in parts}.values())
    progress("operators", 0, len(operators))
    times = time_operators(operators, Placement(parse_device(device), threads), engine)
    predictor.table.add(operators, times)
    progress("operators", len(operators), len(operators))
    chosen = _spread(pool, predictor, networks)
    figures = _measured(
        [genotype for genotype, _ in chosen], candidates, identity, device, progress
    )
    reference_ms = predictor.reference_ms = min(figure.reference_ms for figure in figures)
    for (_, parts), figure in zip(chosen, figures, strict=True):
        predictor.observe(candidates.family, parts, figure.ratio * reference_ms)
    noisy = sum(not figure.comparable for figure in figures)
    with shared_predictor(target, identity) as shared:
        shared.take(candidates.family, predictor)
    error = shared.calibration(candidates.family).error
    return Calibrated(shared, target, len(operators), len(chosen), noisy, error)


_Candidate = tuple[Genotype, tuple[Operator, ...]]


def _sampled(candidates: Candidates, seed: int, fewest: int) -> list[_Candidate]:
    """Candidates, until they bring no operator that is new."""
    rng = random.Random(seed)
    known: set[str] = set()
    pool: list[_Candidate] = []
    without_news = 0
    while len(pool) < fewest or (without_news < _WITHOUT_NEWS and len(pool) < _MOST_SAMPLES):
        genotype = candidates.sample(rng)
        operators = candidates.operators(genotype)
        new = {operator.key for operator in operators} - known
        without_news = 0 if new else without_news + 1
        known |= new
        pool.append((genotype, operators))
    return pool


def _spread(pool: list[_Candidate], predictor: Predictor, number: int) -> list[_Candidate]:
    """A number of candidates, evenly spaced from the fastest to the slowest."""
    # A network in which no path leads to the logits says nothing of the others.
    usable = [item for item in pool if item[1]] or pool
    ranked = sorted(usable, key=lambda item: predictor.predict("", item[1]).ms)
    places = [round((i + 0.5) * len(ranked) / number - 0.5) for i in range(number)]
    return [ranked[min(max(place, 0), len(ranked) - 1)] for place in places]


def _measured(
    genotypes: list[Genotype],
    candidates: Candidates,
    identity: DeviceIdentity,
    device: str,
    progress: Progress,
) -> list[Latency]:
    """Measures networks, and once more those that a busy machine left unsure."""
    figures: list[Latency] = []

    def measured(genotype: Genotype) -> Latency:
        # The quietest moment so far shows which others were slow.
        quiet_ms = min((figure.reference_ms for figure in figures), default=None)
        return measure_candidate(candidates, genotype, identity, device, quiet_ms)

    for done, genotype in enumerate(genotypes):
        progress("networks", done, len(genotypes))
        figures.append(measured(genotype))
    progress("networks", len(genotypes), len(genotypes))
    noisy = [place for place, figure in enumerate(figures) if not figure.comparable]
    for done, place in enumerate(noisy):
        progress("noisy networks again", done, len(noisy))
        again = measured(genotypes[place])
        figures[place] = min(figures[place], again, key=lambda figure: figure.ratio_interval)
    if noisy:
        progress("noisy networks again", len(noisy), len(noisy))
    return figures
