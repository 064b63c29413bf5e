"""FitNets in two stages: is a hint worth a stage, and should what it trained be frozen after?

Romero et al. 2015 (https://arxiv.org/abs/1412.6550). One teacher, and for every seed four students:
from labels alone, with soft targets, and with soft targets after a stage in which the first half
learned the teacher's middle layer through a regressor; that half is then frozen, or fine-tuned.

    python scripts/fitnet_stages.py --task FOLDER --run runs/fitnet --seeds 4
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from safetensors.torch import load_file

from nas.cli.values import assignments
from nas.experiments.config import experiment_config
from nas.experiments.run import Summary, mean_and_spread, run_experiment
from nas.kinds.teacher import seed_folders
from nas.report.progress import EpochProgress
from nas.settings import overridden, validate

GUIDED = ("stage1", "stage2")
HINT = {"method": "hint", "student": GUIDED[-1], "teacher": GUIDED[-1]}
NOTABLE = 0.008
"""Differences of accuracy below this one are not called a gap (0.8 points)."""


def main() -> None:
    """Trains what is missing, and prints the table."""
    options = _options()
    common: dict[str, Any] = {
        "task": options.task,
        "task_options": assignments(options.task_option),
        "training": {"epochs": options.epochs, "batch_size": options.batch_size},
        "device": options.device,
        "seed": options.seed,
    }
    if options.data:
        common["data"] = options.data
    common = overridden(common, assignments(options.set))
    with EpochProgress() as progress:

        def train(name: str, **values: Any) -> Summary:
            config = validate(experiment_config("classification"), common | values, name)
            return run_experiment(
                config,
                options.run / name,
                on_epoch=lambda what, record, epochs: progress.show(
                    f"{name} {what}", record, epochs
                ),
            )

        longer = common["training"] | {"epochs": options.teacher_epochs}
        teacher = train("teacher", model={"name": options.teacher}, training=longer)
        student = {"model": {"name": options.student}, "seeds": options.seeds}
        taught = student | {"teacher": str(options.run / "teacher")}
        summaries = {"from labels alone": train("baseline", **student)}
        for label, stages in _recipes(options).items():
            summaries[label] = train(label.replace(" ", "-"), **taught, stages=stages)
    _require_frozen(options.run / "hint-then-frozen")
    Console().print(_table(teacher, summaries))
    record = {label: summary.validation for label, summary in summaries.items()}
    (options.run / "summary.json").write_text(json.dumps(record, indent=2), encoding="utf-8")


def _recipes(options: argparse.Namespace) -> dict[str, list[dict[str, Any]]]:
    soft = {
        "method": "soft_target",
        "weight": options.weight,
        "options": {"temperature": options.temperature},
    }
    hint = {
        "name": "hint",
        "train": list(GUIDED) if not options.stem else [options.stem, *GUIDED],
        "task_weight": 0.0,
        "losses": [HINT],
        "training": {"epochs": options.hint_epochs},
    }
    student = {"name": "student", "losses": [soft]}
    return {
        "soft targets": [student],
        "hint then frozen": [hint, student | {"freeze": hint["train"]}],
        "hint then fine-tuned": [hint, student],
    }


def _require_frozen(run: Path) -> None:
    """Compares what the frozen stage started from with what it ended with, bit by bit."""
    for folder in seed_folders(run):
        before = load_file(folder / "stages" / "hint.safetensors")
        after = load_file(folder / "model.safetensors")
        kept = [key for key in after if key.startswith(tuple(f"{part}." for part in GUIDED))]
        changed = [key for key in kept if not torch.equal(before[key], after[key])]
        if changed or not kept:
            raise SystemExit(f"{folder}: {changed or 'nothing'} changed though it was frozen")
    print(f"{run}: the frozen parameters and statistics are bit-identical in every seed")


def _table(teacher: Summary, summaries: dict[str, Summary]) -> Table:
    table = Table(title="Accuracy on validation", title_justify="left")
    for column in ("", "mean ± sample std", "against labels alone"):
        table.add_column(column)
    table.add_row("teacher", f"{teacher.validation['accuracy'][0]:.4f}", "")
    base, _ = mean_and_spread(summaries["from labels alone"].validation["accuracy"])
    for label, summary in summaries.items():
        mean, spread = mean_and_spread(summary.validation["accuracy"])
        gap = mean - base
        verdict = "" if gap == 0 else f"{gap:+.4f}" + (" a gap" if abs(gap) > NOTABLE else "")
        shown = f"{mean:.4f}" if spread is None else f"{mean:.4f} ± {spread:.4f}"
        table.add_row(label, shown, verdict)
    return table


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--task", required=True, help="built-in task, folder or YAML file")
    parser.add_argument("--data", help="folder of the images")
    parser.add_argument("--task-option", action="append", default=[], help="KEY=VALUE")
    parser.add_argument("--run", type=Path, required=True, help="folder for all runs")
    parser.add_argument("--teacher", default="convnet_wide", help="network of the teacher")
    parser.add_argument("--student", default="convnet_small", help="network of the students")
    parser.add_argument("--stem", help="module before stage1 that learns from the hint too")
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--teacher-epochs", type=int, default=50)
    parser.add_argument("--hint-epochs", type=int, default=10)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--weight", type=float, default=4.0, help="of the soft targets")
    parser.add_argument("--temperature", type=float, default=3.0)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--set", action="append", default=[], help="KEY=VALUE of any setting")
    return parser.parse_args()


if __name__ == "__main__":
    main()
