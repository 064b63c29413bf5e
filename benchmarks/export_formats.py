"""Exports trained networks in several formats and measures all files side by side.

    OMP_NUM_THREADS=1 python benchmarks/export_formats.py runs/photos/retrain/trial-17 runs/digits

Prints a table in Markdown: what made each file, how far it is from PyTorch on validation images,
its size, and its latency on one core. The files of a network are measured in turn, `--rounds`
times, so that a busy moment of the machine meets them all.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import warnings
from collections.abc import Iterable
from pathlib import Path

import latency
from latency.errors import NoiseWarning
from latency.units import BYTES
from nas.deployment.delivery import deliver, targets, task_if_known
from nas.deployment.formats import Exported, FormatOptions
from nas.deployment.trained_network import file_of, trained_network


def main() -> None:
    """Parses, exports, measures, prints."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("networks", nargs="+", type=Path, help="folders of trained networks")
    parser.add_argument("--to", action="append", help="formats; default: all of them")
    parser.add_argument("--preprocess", help="nhwc or nchw")
    parser.add_argument("--rounds", type=int, default=3, help="measurements of each file")
    arguments = parser.parse_args()
    options = FormatOptions(tuple(arguments.to or latency.format_names()), arguments.preprocess)
    print("| network | format | made with | difference | file | median | range | over ONNX |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for place in arguments.networks:
        with tempfile.TemporaryDirectory() as folder:
            for row in rows(place, options, Path(folder), arguments.rounds):
                print(row, flush=True)


def rows(place: Path, options: FormatOptions, folder: Path, rounds: int) -> Iterable[str]:
    """The rows of one network, and a line for each format that failed."""
    trained = trained_network(file_of(place), None)
    paths = targets(folder / trained.path.name, options)
    found = deliver(trained, paths, options, task_if_known(trained)).exported
    times = measured(found, rounds)
    onnx = [statistics.median(times[path]) for path in times if path.suffix == ".onnx"]
    for path, facts in found.files.items():
        versions = ", ".join(f"{name} {number}" for name, number in facts["versions"].items())
        difference = facts["largest_difference"]
        cells = [place.name, facts["title"], versions]
        cells.append("not compared" if difference is None else f"{difference:.1e}")
        cells.append(BYTES.write(facts["size"]))
        if path in times:
            median = statistics.median(times[path])
            cells.append(f"{median:.2f} ms")
            cells.append(f"{min(times[path]):.2f} to {max(times[path]):.2f}")
            cells.append(f"{median / onnx[0]:.2f}" if onnx else "")
        else:
            cells += ["not measured", "", ""]
        yield "| " + " | ".join(cells) + " |"
    yield from (f"{place.name}: {sentence}" for sentence in found.failures.values())


def measured(found: Exported, rounds: int) -> dict[Path, list[float]]:
    """Median milliseconds of every file that runs here, once in every round."""
    times: dict[Path, list[float]] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NoiseWarning)
        for _ in range(rounds):
            for path, facts in found.files.items():
                if facts["latency"] is not None:
                    once = latency.measure_exported(path, facts["format"])
                    times.setdefault(path, []).append(once.median_ms)
    return times


if __name__ == "__main__":
    main()
