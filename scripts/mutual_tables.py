#!/usr/bin/env python
r"""Tables of mutual learning: methods, crossed paths, ensembles, and matching of trained halves.

    scripts/mutual_tables.py --task docs/tasks/fashion_mnist.yaml --data FASHION \
        --models resnet34,resnet18 --cut layer2 --epochs 20 --seeds 4 --work runs/mutual

Networks are trained independently, by DML and by XML; then XML goes on from the independent ones,
without matching their channels and with each matching. What is trained already is not trained
again, so the script can be stopped and started. It prints Markdown.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import yaml

from nas.api.mutual import run_mutual
from nas.experiments.run import mean_and_spread
from nas.models.weights import save_tensors
from nas.mutual_learning.networks_file import FILE, load_students
from nas.mutual_learning.run import MutualSummary

MATCHINGS: dict[str, dict[str, Any] | None] = {
    "none": None,
    **{
        f"{similarity}{' + std' if standardised else ''}, {assignment}": {
            "similarity": similarity,
            "standardised": standardised,
            "assignment": assignment,
        }
        for similarity in ("bmm", "cosine", "l2")
        for standardised in (False, True)
        for assignment in ("gale_shapley", "hungarian")
    },
}


def main() -> None:
    """Trains what is missing and prints the tables."""
    options = _parser().parse_args()
    models = options.models.split(",")
    scratch = {
        method: _trained(options, method, models) for method in ("independent", "dml", "xml")
    }
    _print_table("From random weights", scratch)
    weights = _weights(options.work / "independent", len(models), options.work / "weights")
    for seed in range(options.seeds):
        found = {}
        for name, matching in MATCHINGS.items():
            folder = f"xml-{name}-{seed}".replace(" + ", "-").replace(", ", "-")
            found[name] = _trained(options, "xml", models, folder, matching, weights[seed], seed)
        _print_table(f"XML from independent networks, seed {seed}, by matching", found)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--task", required=True)
    parser.add_argument("--data", default=None)
    parser.add_argument("--task-options", default="{}", help="YAML, for example '{train: 5000}'")
    parser.add_argument("--models", default="resnet34,resnet18")
    parser.add_argument("--cut", default="layer2")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--work", type=Path, required=True, help="folder of the runs")
    return parser


def _trained(
    options: argparse.Namespace,
    method: str,
    models: list[str],
    folder: str | None = None,
    matching: dict[str, Any] | None = None,
    weights: list[Path] | None = None,
    seed: int | None = None,
) -> MutualSummary:
    students = [
        {"model": {"name": name, "weights": str(weights[n]) if weights else "none"}}
        for n, name in enumerate(models)
    ]
    config: dict[str, Any] = {
        "data": options.data,
        "task_options": yaml.safe_load(options.task_options),
        "students": students,
        "matching": matching,
    }
    run = run_mutual(
        {
            "task": options.task,
            "method": method,
            "cut": options.cut.split(","),
            "training.epochs": options.epochs,
            "seeds": options.seeds if seed is None else 1,
            "seed": seed or 0,
            "device": options.device,
            **{key: value for key, value in config.items() if value is not None},
        },
        options.work / (folder or method),
    )
    return run.summary


def _weights(run: Path, networks: int, folder: Path) -> dict[int, list[Path]]:
    """Files with the weights of each network of each seed of a run."""
    found: dict[int, list[Path]] = {}
    for place in sorted(run.glob("seed-*")):
        students, _ = load_students(place / FILE)
        seed = int(place.name.removeprefix("seed-"))
        found[seed] = [folder / f"seed-{seed}-{n}.safetensors" for n in range(networks)]
        for number, path in enumerate(found[seed]):
            save_tensors(students.student(number).network, path)
    return found


def _print_table(title: str, runs: dict[str, MutualSummary]) -> None:
    first = next(iter(runs.values()))
    rows = [*first.paths, *(f"ensemble of {name}" for name in first.ensembles)]
    print(f"\n{title}, validation accuracy in %\n")
    print("| path | " + " | ".join(runs) + " |")
    print("|---" * (len(runs) + 1) + "|")
    for row in rows:
        cells = []
        for summary in runs.values():
            values = {
                **summary.paths,
                **{f"ensemble of {name}": v for name, v in summary.ensembles.items()},
            }[row]
            mean, spread = mean_and_spread([100 * value for value in values])
            cells.append(f"{mean:.2f}" + ("" if spread is None else f" ± {spread:.2f}"))
        print(f"| {row} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
