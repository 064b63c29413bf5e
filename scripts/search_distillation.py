"""Which distillation tells candidates apart best while they are trained for a few epochs?

A search ranks candidates after a short training. This trains the same genotypes with several losses
towards the teacher and with none, over several seeds, and compares the short qualities with those
of a training that is many times longer: by the mean, and by Kendall's rank correlation.

    python scripts/search_distillation.py --run runs/search-distillation
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from scipy.stats import kendalltau

import nas.tasks
import search_spaces
from nas.cli.values import assignments
from nas.evaluation.costs import CostMeter
from nas.evaluation.evaluator import Evaluator
from nas.files import write_json
from nas.kinds.segmentation.candidates import SegmentationCandidates
from nas.kinds.segmentation.preparation import PreparedSegmentation, prepare
from nas.kinds.segmentation.settings import SegmentationEvaluationSettings
from nas.report.progress import EpochProgress
from nas.settings import overridden, validate
from nas.training.device import resolve_device
from search_spaces.fastnas import FastNAS
from search_spaces.genotype import Genotype

NONE = "none"
METHODS = (NONE, "logit_mse", "soft_target", "channel_wise", "mgd")


def main() -> None:
    """Trains what is missing, and prints the table."""
    options = _options()
    study = _Study(options)
    short = {
        method: [
            [study.quality(genotype, method, options.epochs, seed) for genotype in study.genotypes]
            for seed in range(options.seeds)
        ]
        for method in options.method or METHODS
    }
    epochs = options.epochs * options.longer
    long = [study.quality(genotype, options.reference, epochs, 0) for genotype in study.genotypes]
    Console().print(_table(short, long, options))


class _Study:
    """Trains genotypes, and remembers every quality in a file."""

    def __init__(self, options: argparse.Namespace):
        self._options = options
        self._values = assignments(options.set)
        self._path = options.run / "qualities.json"
        self._known: dict[str, float] = {}
        if self._path.is_file():
            self._known = json.loads(self._path.read_text(encoding="utf-8"))
        self._device = resolve_device(options.device)
        task_options = assignments(options.task_option)
        self._task = nas.tasks.load_segmentation(options.task, options.data, **task_options)
        self._space = FastNAS(
            **(search_spaces.presets("fastnas")[options.preset] | {"width": options.width}),
        )
        generator = random.Random(options.seed)
        drawn = [self._space.sample(generator) for _ in range(options.genotypes)]
        self.genotypes: list[Genotype] = drawn
        self._prepared = self._prepare()
        shape = (1, *self._task.input_shape[1:])
        classes = self._task.num_classes
        self._meter = CostMeter(
            SegmentationCandidates(self._space, self._prepared.encoder, classes, shape)
        )

    def quality(self, genotype: Genotype, method: str, epochs: int, seed: int) -> float:
        """Mean F1 of the reward classes on the validation split."""
        key = f"{method} {epochs} {seed} {genotype}"
        if key not in self._known:
            settings = self._settings(method, epochs)
            evaluator = Evaluator(self._prepared, settings, self._meter)
            scores = evaluator.evaluate(genotype, seed).scores["f1"]
            self._known[key] = statistics.fmean(scores[c] for c in self._task.reward_classes)
            write_json(self._path, self._known)
            print(f"{key}  {self._known[key]:.4f}", flush=True)
        return self._known[key]

    def _settings(self, method: str, epochs: int) -> SegmentationEvaluationSettings:
        change: dict[str, Any] = {"stage0.epochs": epochs}
        if method == NONE:
            change["distillation.enabled"] = False
        else:
            change["distillation.method"] = method
        values = overridden({}, self._values | change)
        return validate(SegmentationEvaluationSettings, values, "evaluation")

    def _prepare(self) -> PreparedSegmentation:
        settings = self._settings("logit_mse", self._options.epochs)
        with EpochProgress() as progress:
            return prepare(
                self._task,
                settings,
                self._options.run / "cache",
                self._device,
                self._options.seed,
                progress.show,
            )


@dataclass(frozen=True)
class _Row:
    mean: float
    spread: float
    correlations: list[float]


def _row(qualities: list[list[float]], long: list[float]) -> _Row:
    means = [statistics.fmean(values) for values in qualities]
    return _Row(
        statistics.fmean(means),
        statistics.stdev(means) if len(means) > 1 else 0.0,
        [float(kendalltau(values, long).statistic) for values in qualities],
    )


def _table(
    short: dict[str, list[list[float]]], long: list[float], options: argparse.Namespace
) -> Table:
    longest = options.epochs * options.longer
    table = Table(
        title=f"{len(long)} genotypes after {options.epochs} epochs, {options.seeds} seeds; "
        f"after {longest} epochs with {options.reference}: mean {statistics.fmean(long):.4f}",
        title_justify="left",
    )
    for column in ("distillation", "mean quality ± sample std", "Kendall's tau ± sample std"):
        table.add_column(column)
    for method, qualities in short.items():
        row = _row(qualities, long)
        tau = statistics.fmean(row.correlations)
        spread = statistics.stdev(row.correlations) if len(row.correlations) > 1 else 0.0
        table.add_row(method, f"{row.mean:.4f} ± {row.spread:.4f}", f"{tau:+.3f} ± {spread:.3f}")
    return table


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", type=Path, required=True, help="folder for cache and qualities")
    parser.add_argument("--task", default="faces", help="built-in task, folder or YAML file")
    parser.add_argument("--data", help="folder of the images")
    parser.add_argument("--task-option", action="append", default=[], help="KEY=VALUE")
    parser.add_argument("--preset", default="small", help="of the space fastnas")
    parser.add_argument("--width", type=int, default=32, help="channels of the space")
    parser.add_argument("--genotypes", type=int, default=12)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--longer", type=int, default=10, help="factor of the long training")
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0, help="of genotypes, encoder and teacher")
    parser.add_argument("--method", action="append", help="a loss or none; repeat it")
    parser.add_argument("--reference", default=NONE, help="loss of the long training, or none")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--set", action="append", default=[], help="KEY=VALUE of the evaluation")
    options = parser.parse_args()
    options.run.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    return options


if __name__ == "__main__":
    main()
