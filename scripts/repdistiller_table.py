"""A table of distillation methods over pairs of teacher and student, by a published protocol.

Networks, training, layers and weights are those with which Tian et al. 2020
(https://arxiv.org/abs/1910.10699) compare methods on CIFAR-100; `dkd` is that of Zhao et al. 2022
(https://arxiv.org/abs/2203.08679), `standardised` soft targets of standardised logits as Sun et al.
2024 (https://arxiv.org/abs/2403.01427) train them. One thing differs: the epoch is chosen on a
tenth of the training images, not on the test images that are reported.

    python scripts/repdistiller_table.py --task scripts/cifar100.py:cifar100 --data FOLDER
        --pair resnet32x4:resnet8x4 --run runs/cifar100

Short runs on small data show orderings at most: give --epochs and a smaller --set
training.learning_rate there.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
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
ALONE = "alone"
TRAINING: dict[str, Any] = {
    "batch_size": 64,
    "optimiser": "sgd",
    "learning_rate": 0.05,
    "weight_decay": 5e-4,
    "schedule": "step",
    "milestones": [150 / 240, 180 / 240, 210 / 240],
    "gamma": 0.1,
    "warmup": 0.0,
    "augmentation": {"crop": "pad", "padding": 4, "flip": True},
}
_DKD_BETA = {"resnet32x4:resnet8x4": 8.0, "resnet56:resnet20": 2.0}
"""Weight of the wrong classes; 6 for the other pairs."""
_DKD_WARMUP = 20


@dataclass(frozen=True)
class Method:
    """How a method is trained.

    Attributes:
        losses: Towards the teacher.
        task_weight: Of the cross-entropy.
    """

    losses: list[dict[str, Any]]
    task_weight: float = 1.0


def protocol(pair: str, epochs: int) -> dict[str, Method]:
    """The methods of the table by name, with the weights and layers that were published.

    Args:
        pair: TEACHER:STUDENT.
        epochs: Of the training.
    """
    # What follows the first stage of a VGG is as fine as the first stage of the others.
    first = 2 if "vgg" in pair else 1
    maps = [f"stage{number}" for number in range(first, 6 if "vgg" in pair else 4)]
    standardised = {"temperature": 2.0, "standardise": True}
    dkd = {"alpha": 1.0, "beta": _DKD_BETA.get(pair, 6.0), "temperature": 4.0}
    return {
        "soft_target": Method([_term("soft_target", 0.9, temperature=4.0)], task_weight=0.1),
        "standardised": Method([_term("soft_target", 9.0, **standardised)], task_weight=0.1),
        "dkd": Method([_term("dkd", 1.0, **dkd) | {"warmup": min(_DKD_WARMUP / epochs, 1.0)}]),
        "hint": Method([_at("hint", 100.0, maps[1])]),
        "attention": Method([_at("attention", 1000.0, place) for place in maps]),
        "similarity": Method([_at("similarity", 3000.0, maps[-1])]),
        "nst": Method([_at("nst", 50.0, place) for place in maps]),
        "rkd": Method([_at("rkd", 1.0, "penultimate")]),
    }


def _term(method: str, weight: float, **options: Any) -> dict[str, Any]:
    return {"method": method, "weight": weight, "options": options}


def _at(method: str, weight: float, place: str) -> dict[str, Any]:
    return _term(method, weight) | {"student": place, "teacher": place}


def main() -> None:
    """Trains what is missing, and prints one table for every pair."""
    options = _options()
    common: dict[str, Any] = {
        "task": options.task,
        "task_options": assignments(options.task_option),
        "training": TRAINING | {"epochs": options.epochs},
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
            published = protocol(pair, common["training"]["epochs"])
            for method in options.method or published:
                how = published.get(method) or _own(method)
                name = f"{student}-{teacher}-{method.replace('=', '-')}"
                runs[method] = options.run / name
                stage = {"name": "distilled", "task_weight": how.task_weight, "losses": how.losses}
                train(name, model={"name": student}, teacher=str(taught_by), stages=[stage])
            results[pair] = {
                label: evaluate_run(folder, options.split, device=options.device).figures["none"]
                for label, folder in runs.items()
            }
    for pair, figures in results.items():
        Console().print(_table(pair, options.split, figures))
    (options.run / f"table-{options.split}.json").write_text(
        json.dumps(results, indent=2), encoding="utf-8"
    )


def _own(method: str) -> Method:
    loss, *more = method.split(",")
    return Method([{"method": loss} | assignments(more, "--method")])


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
        "--method", action="append", help="one of the table, or METHOD,weight=2,...; repeat it"
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
