"""How well a measured latency repeats: the same networks, in two processes, on two occasions.

Every network is measured four times with onnxruntime, each time in a process of its own. The table
tells by how much two measurements of one network differ, as a share of their mean: the median and
the 90th percentile over networks and pairs. It is made twice, on the machine as it is and with
another process loading one core. The quiet time of the reference network is found once at the
beginning and given to every measurement.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

import latency

FIGURES = {
    "wall_ms": "median of the wall time",
    "median_ms": "median by the clock",
    "min_ms": "shortest run by the clock",
    "own_ms": "ratio, times the reference network's time here",
    "normalised_ms": "ratio, times its time on the idle machine",
}
PAIRS = {
    "same occasion": ((0, 1), (2, 3)),
    "other occasion": ((0, 2), (0, 3), (1, 2), (1, 3)),
}
SMALLEST = 100_000
"""Bytes of weights below which a network is none."""
SPIN = "import numpy as np\na = np.ones((256, 256))\nwhile True:\n    a @ a"

Records = dict[str, dict[str, Any]]
"""What was measured, by file."""


def main() -> None:
    """Measures and prints the tables."""
    options = parse_arguments()
    if options.worker:
        print(json.dumps(measure_all(options.models, options)))
        return
    print(f"{latency.identify('cpu', options.threads).key}, {options.runs} runs")
    with tempfile.TemporaryDirectory() as folder:
        models = options.models or exported(options, Path(folder))
        options.reference = quiet_reference(models[0], options)
        print(f"reference network: {options.reference:.3f} ms when the machine is quiet")
        for state, context in (("as it is", nothing_else), ("one core loaded", busy_core)):
            with context():
                occasions = [measured_twice(models, options, index) for index in range(2)]
            print(f"\nMachine {state}:")
            print(table([records for pair in occasions for records in pair]))


def parse_arguments() -> argparse.Namespace:
    """The options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", help="ONNX files; else sampled networks")
    parser.add_argument("--networks", type=int, default=20, help="how many are sampled")
    parser.add_argument("--size", type=int, default=128, help="height and width of their input")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--runs", type=int, default=30, help="timed runs of a measurement")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--pause", type=float, default=30, help="seconds between the occasions")
    parser.add_argument(
        "--minutes", type=float, default=10, help="in all; networks that do not fit are left out"
    )
    parser.add_argument("--reference", type=float, help=argparse.SUPPRESS)
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def exported(options: argparse.Namespace, folder: Path) -> list[str]:
    """ONNX files of networks of the space `fastnas`, with random weights."""
    from nas.kinds.segmentation.candidates import SegmentationCandidates
    from nas.models.encoder import Encoder, EncoderSettings
    from search_spaces.fastnas import FastNAS

    space, rng = FastNAS(), random.Random(options.seed)
    encoder = Encoder(EncoderSettings(weights="none"))
    shape = (1, 3, options.size, options.size)
    candidates = SegmentationCandidates(space, encoder, 11, shape)
    files: list[str] = []
    while len(files) < options.networks:
        network = candidates.network(candidates.sample(rng))
        path = latency.export_onnx(network, candidates.input_shape, folder / f"{len(files)}.onnx")
        # About one genotype in sixty has no path from the image, and nothing to be timed.
        if latency.count_onnx_memory(path).weights > SMALLEST:
            files.append(str(path))
    return files


def quiet_reference(model: str, options: argparse.Namespace) -> float:
    """Milliseconds of the reference network in the quietest of a few measurements."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", latency.NoiseWarning)
        found = [latency.measure_onnx(model, threads=options.threads) for _ in range(5)]
    return min(one.reference_ms for one in found)


def measured_twice(
    models: Sequence[str], options: argparse.Namespace, occasion: int
) -> list[Records]:
    """The figures of two processes, one after the other."""
    if occasion:
        time.sleep(options.pause)
    command = [sys.executable, __file__, "--worker", "--runs", str(options.runs)]
    # Two states, two occasions, two processes.
    command += ["--minutes", str(options.minutes / 8), "--threads", str(options.threads)]
    command += ["--reference", str(options.reference)]
    return [
        json.loads(subprocess.run([*command, *models], check=True, stdout=subprocess.PIPE).stdout)
        for _ in range(2)
    ]


def measure_all(models: Sequence[str], options: argparse.Namespace) -> Records:
    """Measures until the time is over."""
    end = time.monotonic() + options.minutes * 60
    records: Records = {}
    with warnings.catch_warnings():
        # The table tells how many were noisy.
        warnings.simplefilter("ignore", latency.NoiseWarning)
        for model in models:
            if time.monotonic() > end:
                break
            found = latency.measure_onnx(
                model,
                runs=options.runs,
                threads=options.threads,
                reference_ms=options.reference,
            )
            records[model] = found.to_dict() | {"own_ms": found.ratio * found.reference_ms}
    return records


@contextmanager
def nothing_else() -> Iterator[None]:
    """Leaves the machine as it is."""
    yield


@contextmanager
def busy_core() -> Iterator[None]:
    """Keeps one core busy with matrix products."""
    process = subprocess.Popen([sys.executable, "-c", SPIN])
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def table(measurements: Sequence[Records]) -> str:
    """Differences of every figure, and how noisy the measurements were."""
    common = sorted(set.intersection(*(set(records) for records in measurements)))
    if not common:
        return "No network was measured four times: give more --minutes."
    every = [records[model] for records in measurements for model in common]
    medians = [record["median_ms"] for record in every]
    busy = statistics.median(record["wall_ms"] / record["median_ms"] for record in every)
    attempts = statistics.mean(record["attempts"] for record in every)
    lines = [
        f"{len(common)} networks of {min(medians):.3g} to {max(medians):.3g} ms; wall time is "
        f"{busy:.2f} times that of the clock; {attempts:.2f} attempts each, "
        f"{np.mean([record['noisy'] for record in every]):.0%} noisy",
        f"{'figure':50}" + "".join(f"{name + ', median (p90)':>32}" for name in PAIRS),
    ]
    for figure, text in FIGURES.items():
        cells = []
        for pairs in PAIRS.values():
            differences = [
                difference(measurements[a][model][figure], measurements[b][model][figure])
                for a, b in pairs
                for model in common
            ]
            cells.append(f"{np.median(differences):.1%} ({np.quantile(differences, 0.9):.1%})")
        lines.append(f"{text:50}" + "".join(f"{cell:>32}" for cell in cells))
    return "\n".join(lines)


def difference(first: float, second: float) -> float:
    """Absolute difference as a share of the mean."""
    return abs(first - second) / ((first + second) / 2)


if __name__ == "__main__":
    main()
