"""Does penalising latency find faster networks than penalising FLOPs?

    python scripts/latency_front.py --group latency RUN... --group flops RUN... [--out FILE.json]

The candidates of every run are measured on one device, in an order of their own, whatever the run
knows of their latency. The figure of a run is the hypervolume of (quality, measured latency), as a
share of the box between the worst and the best values of all runs: one reference point serves all.
Printed are the mean and the sample standard deviation over the runs of each group.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import latency
from nas.deployment.named_network import candidates_in
from nas.pareto.front import front
from nas.pareto.hypervolume import hypervolume, reference_point
from nas.pareto.objectives import Direction
from nas.report.runs import read_snapshot
from nas.searching.run_folder import RunFolder

DIRECTIONS: tuple[Direction, ...] = ("maximise", "minimise")


@dataclass(frozen=True)
class Trial:
    """A candidate that a run has trained.

    Attributes:
        number: Of the trial.
        quality: On the validation split.
        ms: Its measured latency.
        macs: Its multiply-accumulates.
    """

    number: int
    quality: float
    ms: float
    macs: float


def main() -> None:
    """Measures and prints the table."""
    options = parse_arguments()
    groups: dict[str, list[str]] = {}
    for name, *runs in options.group:
        groups.setdefault(name, []).extend(runs)
    known = measured([run for runs in groups.values() for run in runs], options)
    trials = {run: trials_of(run, known) for runs in groups.values() for run in runs}
    print(table(groups, trials))
    if options.out:
        record = {run: [vars(trial) for trial in found] for run, found in trials.items()}
        options.out.write_text(json.dumps({"groups": groups, "runs": record}, indent=1))


def parse_arguments() -> argparse.Namespace:
    """The options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--group",
        action="append",
        nargs="+",
        required=True,
        metavar=("NAME", "RUN"),
        help="name of a group and its runs; repeat it",
    )
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--engine", default="onnxruntime")
    parser.add_argument("--rounds", type=int, default=2, help="measurements of every network")
    parser.add_argument("--out", type=Path, help="JSON file for the figures of every candidate")
    return parser.parse_args()


def measured(runs: Sequence[str], options: argparse.Namespace) -> dict[tuple[str, str], float]:
    """Latency of every network in milliseconds, by what builds it and its genotype."""
    jobs = {}
    for run in runs:
        folder = RunFolder.open(Path(run))
        candidates = candidates_in(folder.config())
        for record in read_snapshot(folder).trained():
            jobs[candidates.family, record.genotype] = candidates
    found: dict[tuple[str, str], list[float]] = {job: [] for job in jobs}
    reference: float | None = None
    for number in range(options.rounds):
        order = list(jobs)
        random.Random(number).shuffle(order)
        for job in order:
            candidates = jobs[job]
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", latency.NoiseWarning)
                figure = latency.measure(
                    candidates.network(candidates.space.parse(job[1])),
                    candidates.input_shape,
                    options.device,
                    engine=options.engine,
                    reference_ms=reference,
                )
            reference = reference or figure.reference_ms
            found[job].append(figure.normalised_ms)
    return {job: statistics.median(figures) for job, figures in found.items()}


def trials_of(run: str, known: Mapping[tuple[str, str], float]) -> list[Trial]:
    """The trained candidates of a run."""
    folder = RunFolder.open(Path(run))
    family = candidates_in(folder.config()).family
    return [
        Trial(
            record.number,
            record.quality or 0.0,
            known[family, record.genotype],
            record.costs["macs"],
        )
        for record in read_snapshot(folder).trained()
    ]


def table(groups: Mapping[str, Sequence[str]], trials: Mapping[str, Sequence[Trial]]) -> str:
    """A row for each run, and one for each group."""
    every = points([trial for found in trials.values() for trial in found])
    reference = reference_point(every, DIRECTIONS)
    whole = (every[:, 0].max() - reference[0]) * (reference[1] - every[:, 1].min())
    lines = [
        f"{len(every)} candidates of {every[:, 1].min():.2f} to {every[:, 1].max():.2f} ms; "
        f"reference point: quality {reference[0]:.4f}, {reference[1]:.2f} ms",
        f"{'':24}{'candidates':>12}{'on front':>10}{'best':>8}{'its ms':>8}{'hypervolume':>13}",
    ]
    for name, runs in groups.items():
        shares = []
        for run in runs:
            own = points(trials[run])
            shares.append(hypervolume(own, DIRECTIONS, reference) / whole)
            best = own[own[:, 0].argmax()]
            lines.append(
                f"{name + ' ' + Path(run).name:24}{len(own):12}{len(front(own, DIRECTIONS)):10}"
                f"{best[0]:8.4f}{best[1]:8.2f}{shares[-1]:13.4f}"
            )
        spread = statistics.stdev(shares) if len(shares) > 1 else 0.0
        lines.append(f"{name:24}{'':38}{statistics.mean(shares):13.4f} ± {spread:.4f}")
    return "\n".join(lines)


def points(trials: Sequence[Trial]) -> np.ndarray:
    """Quality and latency, a row for each trial."""
    return np.array([(trial.quality, trial.ms) for trial in trials])


if __name__ == "__main__":
    main()
