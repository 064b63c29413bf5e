"""A table of distillation methods over pairs of teacher and student.

The pairs and the methods are those that Tian et al. 2020 (https://arxiv.org/abs/1910.10699) compare
on CIFAR-100; data, sizes and lengths are the caller's.

    python scripts/repdistiller_table.py --task FOLDER --run runs/table --pair resnet56:resnet20
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from nas.cli.values import assignments
from nas.experiments.config import experiment_config
from nas.experiments.evaluation import evaluate_run
from nas.experiments.run import mean_and_spread, run_experiment
from nas.report.progress import EpochProgress
from nas.settings import overridden, validate

PAIRS = (
    "wrn_40_2:wrn_16_2",
    "resnet56:resnet20",
    "resnet32x4:resnet8x4",
    "vgg13:vgg8",
)
METHODS = ("soft_target", "hint", "attention", "similarity", "nst", "rkd", "mgd")
ALONE = "alone"


def main() -> None:
    """Trains what is missing, and prints one table for every pair."""
    options = _options()
    common: dict[str, Any] = {
        "task": options.task,
        "task_options": assignments(options.task_option),
        "training": {"epochs": options.epochs},
        "device": options.device,
        "seed": options.seed,
        "seeds": options.seeds,
    }
    if options.data:
        common["data"] = options.data
    common = overridden(common, assignments(options.set))
    results = {}
    with EpochProgress() as progress:

        def train(name: str, **values: Any) -> None:
            config = validate(experiment_config("classification"), common | values, name)
            run_experiment(
                config,
                options.run / name,
                on_epoch=lambda what, record, epochs: progress.show(
                    f"{name} {what}", record, epochs
                ),
            )

        for pair in options.pair or PAIRS:
            teacher, student = pair.split(":")
            taught_by = options.teacher or options.run / teacher
            if options.teacher is None:
                longer = common["training"] | {"epochs": options.teacher_epochs or options.epochs}
                train(teacher, model={"name": teacher}, training=longer, seeds=1)
            runs = {f"teacher {teacher}": taught_by, ALONE: options.run / student}
            train(student, model={"name": student})
            for method in options.method or METHODS:
                loss, *more = method.split(",")
                name = f"{student}-{teacher}-{method.replace('=', '-')}"
                runs[method] = options.run / name
                train(
                    name,
                    model={"name": student},
                    teacher=str(taught_by),
                    losses=[{"method": loss} | assignments(more, "--method")],
                )
            results[pair] = {
                label: evaluate_run(folder, options.split, device=options.device).figures["none"]
                for label, folder in runs.items()
            }
    for pair, figures in results.items():
        Console().print(_table(pair, options.split, figures))
    (options.run / f"table-{options.split}.json").write_text(
        json.dumps(results, indent=2), encoding="utf-8"
    )


def _table(pair: str, split: str, figures: dict[str, dict[str, list[float]]]) -> Table:
    table = Table(title=f"{pair}, accuracy on {split}", title_justify="left")
    for column in ("", "accuracy", "mean per-class accuracy", "against alone"):
        table.add_column(column, justify="left" if not column else "right")
    base, _ = mean_and_spread(figures[ALONE]["accuracy"])
    for label, values in figures.items():
        mean, _ = mean_and_spread(values["accuracy"])
        gap = "" if label == ALONE else f"{mean - base:+.4f}"
        table.add_row(label, *(_shown(values[key]) for key in values), gap)
    return table


def _shown(values: list[float]) -> str:
    mean, spread = mean_and_spread(values)
    return f"{mean:.4f}" if spread is None else f"{mean:.4f} ± {spread:.4f}"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--task", required=True, help="built-in task, folder or YAML file")
    parser.add_argument("--data", help="folder of the images")
    parser.add_argument("--task-option", action="append", default=[], help="KEY=VALUE")
    parser.add_argument("--run", type=Path, required=True, help="folder for all runs")
    parser.add_argument("--pair", action="append", help="TEACHER:STUDENT; repeat it")
    parser.add_argument(
        "--method", action="append", help="METHOD or METHOD,weight=2,...; repeat it"
    )
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=240)
    parser.add_argument("--teacher-epochs", type=int)
    parser.add_argument("--teacher", type=Path, help="a run of nas train to take for the teacher")
    parser.add_argument("--split", default="test", help="split of the table")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--set", action="append", default=[], help="KEY=VALUE of any setting")
    return parser.parse_args()


if __name__ == "__main__":
    main()
