"""What the toolkit does on a GPU, in one run of at most ten minutes: a table, and figures as JSON.

    python benchmarks/gpu_check.py --out gpu.json

Steps: the search of ``make demo`` with one worker and with two on one GPU; its best candidate
retrained in mixed precision; candidates of our evaluator beside the published FastNAS loop, in
turns; how well the latency of every engine repeats, and how well it is predicted. A step that
cannot run or has no time left says why in the table, and the others go on. ``--tiny --device cpu``
shows on a CPU that the steps work.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import candidate_throughput as throughput
import torch
import yaml
from rich.console import Console
from rich.table import Table

import latency
import nas
import nas.tasks
from latency.engines import engine_names, predictable_engines
from nas.errors import UserError
from nas.evaluation.latency.calibration import calibrate
from nas.kinds.segmentation.candidates import SegmentationCandidates
from nas.models.encoder import EncoderSettings, untrained_encoder
from nas.nested import flattened
from search_spaces.fastnas import FastNAS

DEMO = Path(__file__).parents[1] / "scripts" / "demo.yaml"


@dataclass(frozen=True)
class Sizes:
    """How much each step does.

    Attributes:
        search: Settings of the search that differ from the demo's, by dotted key.
        trials: Candidates of a search.
        epochs: Of the retraining.
        images: For training of candidates beside the plain loop.
        plain_epochs: Of their training.
        genotypes: How many of these.
        networks: Measured with every engine.
        calibration: Networks measured to calibrate a prediction; 0 predicts nothing, as timing the
            operators of a space takes minutes on a small CPU.
        runs: Timed runs of a measurement.
        size: Side of the images of measured networks, in pixels.
        encoder: Of measured networks.
    """

    search: dict[str, Any] = field(default_factory=dict)
    trials: int = 12
    epochs: int = 5
    images: int = 600
    plain_epochs: int = 5
    genotypes: int = 3
    networks: int = 6
    calibration: int = 8
    runs: int = 30
    size: int = 128
    encoder: str = "mobilenetv2_100"


TINY = Sizes(
    search={
        "task_options": {"train": 16, "validation": 8, "test": 8, "size": 32},
        "space.options": {"encoders": ["lcnet_035"], "sizes": {"branches": 2, "cells": 1}},
        "evaluation.encoder.weights": "none",
        "evaluation.distillation.enabled": False,
        "evaluation.stage0": {"epochs": 1, "batch_size": 8},
    },
    trials=1,
    epochs=1,
    images=16,
    plain_epochs=1,
    genotypes=1,
    networks=1,
    calibration=0,
    runs=20,
    size=32,
    encoder="mobilenetv3_small_050",
)


@dataclass
class Step:
    """What came of a step.

    Attributes:
        name: Of the step.
        seconds: What it took, by the wall clock.
        figures: What it found, by name.
        problem: Why it found nothing; empty if it did.
    """

    name: str
    seconds: float = 0.0
    figures: dict[str, Any] = field(default_factory=dict)
    problem: str = ""


class Check:
    """The steps on one device.

    Args:
        device: cpu, or cuda:N.
        sizes: How much each step does.
        folder: For runs and predictors.
    """

    def __init__(self, device: str, sizes: Sizes, folder: Path) -> None:
        self.device, self.sizes, self.folder = device, sizes, folder

    @property
    def steps(self) -> dict[str, Callable[[], dict[str, Any]]]:
        """Every step by its name, in order."""
        found: dict[str, Callable[[], dict[str, Any]]] = {
            "search, one worker": lambda: self.search(1),
            "search, two workers": lambda: self.search(2),
            "retraining in mixed precision": self.retrain,
            "beside the plain loop": self.beside_plain,
        }
        for engine in engine_names():
            found[f"engine {engine}"] = lambda engine=engine: self.engine(engine)  # type: ignore[misc]
        return found

    def search(self, workers: int) -> dict[str, Any]:
        """The demo's search, with caches that the searches share."""
        values = yaml.safe_load(DEMO.read_text(encoding="utf-8"))
        changed = {"trials": self.sizes.trials, "workers": workers, "device": self.device}
        config = flattened(values) | self.sizes.search | changed
        config["cache"] = str(self.folder / "cache")
        start = time.perf_counter()
        run = nas.search(run=self._run(workers), config=config, penalties=["flops"], progress=False)
        seconds = time.perf_counter() - start
        candidates = [row for row in run.trials() if row["quality"] is not None]
        trained = [row["seconds"] for row in candidates]
        return {
            "seconds with encoder and teacher": seconds,
            "candidates per hour": 3600 * workers / statistics.fmean(trained),
            "seconds per candidate": statistics.fmean(trained),
            "best quality": max(row["quality"] for row in candidates),
        }

    def retrain(self) -> dict[str, Any]:
        """The best candidate of the first search, in bfloat16."""
        start = time.perf_counter()
        done = nas.open(self._run(1)).retrain(
            "best",
            epochs=self.sizes.epochs,
            device=self.device,
            config={"precision": "bfloat16"},
            progress=False,
        )
        seconds = time.perf_counter() - start
        return {
            "seconds with export": seconds,
            "epochs": self.sizes.epochs,
            "test quality": done.metrics["test"]["quality"],
        }

    def beside_plain(self) -> dict[str, Any]:
        """Our evaluator and the published loop on the same genotypes, in turns."""
        settings = throughput.make_settings(self.sizes.plain_epochs)
        task = nas.tasks.load_segmentation(
            "faces", train=self.sizes.images, validation=max(8, self.sizes.images // 6)
        )
        prepared = throughput.make_prepared(task, settings, 0, self.device)
        space = FastNAS()
        genotypes = throughput.sample(space, prepared.encoder, self.sizes.genotypes, 0)
        sides = {
            "plain": throughput.make_plain(space, prepared, settings, 0),
            "ours": throughput.make_ours(space, prepared, settings, 0),
        }
        for evaluate in sides.values():
            evaluate(genotypes[0])
        seconds = dict.fromkeys(sides, 0.0)
        for genotype in genotypes:
            for side, evaluate in sides.items():
                self._wait()
                start = time.perf_counter()
                evaluate(genotype)
                self._wait()
                seconds[side] += time.perf_counter() - start
        count = len(genotypes)
        return {
            "ours, candidates per hour": 3600 * count / seconds["ours"],
            "plain, candidates per hour": 3600 * count / seconds["plain"],
            "times as fast": seconds["plain"] / seconds["ours"],
        }

    def engine(self, name: str) -> dict[str, Any]:
        """How well latencies of an engine repeat, and how well they are predicted."""
        candidates = self._candidates()
        rng = random.Random(0)
        genotypes = [candidates.sample(rng) for _ in range(self.sizes.networks)]
        shape = (1, 3, self.sizes.size, self.sizes.size)
        pairs = []
        for genotype in genotypes:
            network = candidates.network(genotype)
            figures = [
                latency.measure(network, shape, self.device, runs=self.sizes.runs, engine=name)
                for _ in range(2)
            ]
            pairs.append([figure.normalised_ms for figure in figures])
        gaps = [abs(one - other) / statistics.fmean((one, other)) for one, other in pairs]
        found: dict[str, Any] = {
            "median ms": statistics.median(ms for pair in pairs for ms in pair),
            "difference of two measurements": statistics.median(gaps),
        }
        if self.sizes.calibration and name in predictable_engines():
            calibrated = calibrate(
                candidates,
                self.device,
                name,
                networks=self.sizes.calibration,
                path=self.folder / f"{name}.json",
            )
            errors = []
            for genotype, measured in zip(genotypes, pairs, strict=True):
                operators = candidates.operators(genotype)
                ms = calibrated.predictor.predict(candidates.family, operators).ms
                errors.append(abs(ms / statistics.fmean(measured) - 1))
            found["error of a prediction"] = statistics.median(errors)
        return found

    def _candidates(self) -> SegmentationCandidates:
        space = FastNAS(branches=3, cells=2, width=32)
        encoder = untrained_encoder(EncoderSettings(name=self.sizes.encoder), space.encoder_strides)
        return SegmentationCandidates(space, encoder, 11, (1, 3, self.sizes.size, self.sizes.size))

    def _run(self, workers: int) -> Path:
        return self.folder / f"search-{workers}"

    def _wait(self) -> None:
        if self.device.startswith("cuda"):
            torch.cuda.synchronize()


def main(arguments: Sequence[str] | None = None) -> list[Step]:
    """Runs every step, prints the table and writes the figures."""
    options = parse_arguments(arguments)
    if options.device.startswith("cuda") and not torch.cuda.is_available():
        raise SystemExit("no GPU is at hand: run it where one is, or with --tiny --device cpu.")
    sizes = TINY if options.tiny else Sizes()
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        # A busy machine is told by the figures themselves.
        warnings.simplefilter("ignore")
        steps = run(Check(options.device, sizes, Path(folder)), options.minutes * 60, options.only)
    where = torch.cuda.get_device_name() if options.device.startswith("cuda") else options.device
    Console().print(table(steps, where))
    if options.out:
        record = {"device": where, "torch": torch.__version__, "tiny": options.tiny}
        record["steps"] = [asdict(step) for step in steps]
        options.out.write_text(json.dumps(record, indent=1), encoding="utf-8")
    return steps


def run(check: Check, seconds: float, only: Sequence[str] = ()) -> list[Step]:
    """Runs the steps that begin within some seconds; a step that fails says why."""
    begun = time.perf_counter()
    steps = []
    for name, work in check.steps.items():
        if only and not any(part in name for part in only):
            continue
        step, start = Step(name), time.perf_counter()
        if start - begun > seconds:
            steps.append(replace(step, problem="no time was left"))
            continue
        try:
            step.figures = work()
        # One step must not take the figures of the others along, whatever happens in it.
        except (UserError, latency.LatencyError, RuntimeError, ValueError, OSError) as error:
            step.problem = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        step.seconds = time.perf_counter() - start
        steps.append(step)
        print(f"{name}: {step.seconds:.1f} s {step.problem}", flush=True)
    return steps


def table(steps: Sequence[Step], device: str) -> Table:
    """A row for every figure."""
    found = Table(title=f"on {device}", title_justify="left")
    for column in ("step", "s", "figure", "value"):
        found.add_column(column, justify="right" if column in ("s", "value") else "left")
    for step in steps:
        rows = [(key, f"{value:.4g}") for key, value in step.figures.items()]
        for number, (key, value) in enumerate(rows or [(step.problem, "")]):
            head = (step.name, f"{step.seconds:.1f}") if number == 0 else ("", "")
            found.add_row(*head, key, value)
    return found


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--minutes", type=float, default=8, help="no step begins later")
    parser.add_argument("--tiny", action="store_true", help="as small as can be")
    parser.add_argument("--only", nargs="+", default=(), help="steps whose names have these words")
    parser.add_argument("--out", type=Path, help="JSON file for the figures")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
