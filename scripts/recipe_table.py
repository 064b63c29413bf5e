"""Which optimiser and learning rate suit trainings of small networks of some length?

Trains every network with every recipe over several seeds, on one task, and compares the accuracies
of the epochs that are best on the validation split. All else is the default of ``nas train``.

    python scripts/recipe_table.py --task digits --task-option size=16 --run runs/recipes
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
from nas.experiments.run import mean_and_spread, run_experiment
from nas.report.progress import EpochProgress
from nas.settings import overridden, validate

RECIPES: dict[str, dict[str, Any]] = {
    "adamw 1e-3": {"optimiser": "adamw", "learning_rate": 1e-3},
    "adamw 3e-3": {"optimiser": "adamw", "learning_rate": 3e-3},
    "adamw 1e-2": {"optimiser": "adamw", "learning_rate": 1e-2},
    "sgd .05": {"optimiser": "sgd", "learning_rate": 0.05},
}
MODELS = ("convnet_small", "resnet20")
Values = dict[str, dict[str, dict[str, list[float]]]]
"""Accuracies by length, network and recipe, one for each seed."""


def main() -> None:
    """Trains what is missing, and prints a table for every length."""
    options = _options()
    values: Values = {}
    with EpochProgress() as progress:
        for epochs in options.epochs or [10, 30]:
            found = values.setdefault(str(epochs), {})
            for model in options.model or MODELS:
                found[model] = {
                    recipe: _accuracies(options, progress, model, recipe, epochs)
                    for recipe in options.recipe or RECIPES
                }
    for length, found in values.items():
        Console().print(_table(length, found))
    (options.run / "table.json").write_text(json.dumps(values, indent=2), encoding="utf-8")


def _accuracies(
    options: argparse.Namespace, progress: EpochProgress, model: str, recipe: str, epochs: int
) -> list[float]:
    name = f"{model}-{recipe.replace(' ', '-')}-{epochs}"
    common = {
        "task": options.task,
        "task_options": assignments(options.task_option),
        "model": {"name": model},
        "training": RECIPES[recipe] | {"epochs": epochs},
        "device": options.device,
        "seeds": options.seeds,
    }
    if options.data:
        common["data"] = options.data
    config = validate(
        experiment_config("classification"), overridden(common, assignments(options.set)), name
    )
    summary = run_experiment(
        config,
        options.run / name,
        on_epoch=lambda what, record, count: progress.show(f"{name} {what}", record, count),
    )
    return summary.validation["accuracy"]


def _table(length: str, found: dict[str, dict[str, list[float]]]) -> Table:
    table = Table(title=f"accuracy on validation after {length} epochs", title_justify="left")
    table.add_column("")
    for model in found:
        table.add_column(model, justify="right")
    for recipe in next(iter(found.values())):
        table.add_row(recipe, *(_shown(by_recipe[recipe]) for by_recipe in found.values()))
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
    parser.add_argument("--model", action="append", help="network; repeat it")
    parser.add_argument("--recipe", action="append", choices=RECIPES, help="repeat it")
    parser.add_argument("--epochs", action="append", type=int, help="length; repeat it")
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--set", action="append", default=[], help="KEY=VALUE of any setting")
    return parser.parse_args()


if __name__ == "__main__":
    main()
