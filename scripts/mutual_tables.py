#!/usr/bin/env python
r"""Tables of mutual learning: methods, crossed paths, ensembles, fronts, and channel matching.

    scripts/mutual_tables.py --task docs/tasks/fashion_mnist.yaml --data FASHION \
        --models resnet56,resnet20 --cut stage2 --epochs 20 --seeds 4 --work runs/mutual

Networks are trained independently, by DML and by XML; the paths of XML are scored once more with
the batch-norm statistics of training, which all paths share. With `--equal-epochs`, independent
networks are trained once more, for as many epochs as take the time of XML, and the front over the
paths of XML stands beside theirs. Then the independent networks are crossed: as they are, with each
matching of their channels, and after XML has gone on from there (`--continued`). What is trained
already is not trained again, so the script can be stopped and started. It prints Markdown.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from nas.api.mutual import run_mutual
from nas.cli.values import assignments
from nas.experiments.run import mean_and_spread
from nas.models.weights import save_tensors
from nas.mutual_learning.alignment import align
from nas.mutual_learning.networks_file import FILE, load_students
from nas.mutual_learning.scores import score_paths
from nas.mutual_learning.settings import MatchingSettings
from nas.mutual_learning.students import SEPARATOR
from nas.mutual_learning.trained import (
    MutualSummary,
    evaluate_mutual,
    load_task,
    read_config,
    trained_seeds,
)
from nas.training.device import resolve_device
from nas.training.images import Normaliser

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
Rows = Mapping[str, Sequence[float]]
"""Accuracies of each seed, by what they are of."""


def main() -> None:
    """Trains what is missing and prints the tables."""
    options = _parser().parse_args()
    scored = {}
    for method in ("independent", "dml", "xml"):
        _trained(options, method, options.work / method)
        scored[method] = _scored(options, options.work / method)
    _print_table(
        f"From random weights, {options.split} accuracy in %",
        {name: _rows(summary) for name, summary in scored.items()},
    )
    _print_table(
        f"Paths of XML with the statistics of training, {options.split} accuracy in %",
        {"xml": _with_common_statistics(options, options.work / "xml")},
    )
    if options.equal_epochs:
        folder = options.work / f"independent-{options.equal_epochs}"
        _trained(options, "independent", folder, epochs=options.equal_epochs)
        longer = _scored(options, folder)
        whole = [name for name in longer.paths if len(set(name.split(SEPARATOR))) == 1]
        _print_front("Front over the paths of XML", scored["xml"], list(scored["xml"].paths))
        title = f"Front of the independent networks, {options.equal_epochs} epochs"
        _print_front(title, longer, whole)
    if options.adapters:
        return
    _print_table(
        f"Independent networks crossed without further training, {options.split} accuracy in %",
        _crossed(options, options.work / "independent"),
    )
    _print_table(
        f"XML from independent networks, by matching, {options.split} accuracy in %",
        _continued(options),
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--task", required=True)
    parser.add_argument("--data", default=None)
    parser.add_argument("--task-options", default="{}", help="YAML, for example '{train: 5000}'")
    parser.add_argument("--models", default="resnet34,resnet18")
    parser.add_argument("--cut", default="layer2")
    parser.add_argument("--adapters", action="store_true", help="for networks of unequal width")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument(
        "--equal-epochs", type=int, default=0, help="of independent networks that take XML's time"
    )
    parser.add_argument(
        "--continued",
        default="none;l2 + std, gale_shapley;l2 + std, hungarian",
        help=f"matchings that XML goes on from, with ; between, or all; of: {'; '.join(MATCHINGS)}",
    )
    parser.add_argument(
        "--continued-epochs", type=int, default=0, help="of that XML; --epochs unless given"
    )
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--split", default="test", help="that is scored")
    parser.add_argument("--latency", default=None, help="device on which every path is measured")
    parser.add_argument("--device", default="auto")
    parser.add_argument(
        "--set",
        dest="settings",
        action="append",
        default=[],
        help="KEY=VALUE for every training, for example training.learning_rate=3e-3",
    )
    parser.add_argument("--work", type=Path, required=True, help="folder of the runs")
    return parser


def _trained(
    options: argparse.Namespace,
    method: str,
    folder: Path,
    matching: dict[str, Any] | None = None,
    weights: Sequence[Path] | None = None,
    seed: int | None = None,
    epochs: int = 0,
) -> None:
    students = [
        {"model": {"name": name, "weights": str(weights[n]) if weights else "none"}}
        for n, name in enumerate(options.models.split(","))
    ]
    config: dict[str, Any] = {
        "data": options.data,
        "task_options": yaml.safe_load(options.task_options),
        "students": students,
        "matching": matching,
        "adapters": {} if options.adapters else None,
        "latency": options.latency,
    }
    run_mutual(
        {
            "task": options.task,
            "method": method,
            "cut": options.cut.split(","),
            "training.epochs": epochs or options.epochs,
            "seeds": options.seeds if seed is None else 1,
            "seed": seed or 0,
            "device": options.device,
            **{key: value for key, value in config.items() if value is not None},
            **assignments(options.settings),
        },
        folder,
    )


def _scored(options: argparse.Namespace, folder: Path) -> MutualSummary:
    return evaluate_mutual(folder, options.split, options.device, options.data)


def _crossed(options: argparse.Namespace, run: Path) -> dict[str, dict[str, list[float]]]:
    """Accuracies of paths across trained networks, by matching; nothing is trained."""
    task, device = load_task(read_config(run), options.data), resolve_device(options.device)
    normalise, images = Normaliser(task.mean, task.std), task.dataset("train").images
    found: dict[str, dict[str, list[float]]] = {}
    for name, matching in MATCHINGS.items():
        settings = MatchingSettings.model_validate(matching) if matching is not None else None
        for place in trained_seeds(run):
            students, _ = load_students(place / FILE)
            # Measured ones are of the order of channels that the networks had.
            students.statistics = None
            students.to(device)
            if settings is not None:
                align(students, normalise(images[: settings.images], device), settings)
            scores = score_paths(students, task, options.split, device)
            for path, accuracy in scores.paths.items():
                found.setdefault(name, {}).setdefault(path, []).append(accuracy)
    return found


def _with_common_statistics(options: argparse.Namespace, run: Path) -> dict[str, list[float]]:
    """Accuracies of paths whose batch norms keep the statistics of training, one for all paths."""
    task, device = load_task(read_config(run), options.data), resolve_device(options.device)
    found: dict[str, list[float]] = {}
    for place in trained_seeds(run):
        students, _ = load_students(place / FILE)
        students.statistics = None
        scores = score_paths(students.to(device), task, options.split, device)
        for path, accuracy in scores.paths.items():
            found.setdefault(path, []).append(accuracy)
    return found


def _continued(options: argparse.Namespace) -> dict[str, dict[str, list[float]]]:
    """Accuracies after XML has gone on from independent networks, by matching."""
    chosen = list(MATCHINGS) if options.continued == "all" else options.continued.split(";")
    unknown = [name for name in chosen if name not in MATCHINGS]
    if unknown:
        raise SystemExit(f"--continued: no matching {unknown[0]!r}; {'; '.join(MATCHINGS)}")
    weights = _weights(options.work / "independent", options.work / "weights")
    found: dict[str, dict[str, list[float]]] = {}
    for seed, files in weights.items():
        for name in chosen:
            folder = options.work / f"xml-{name}-{seed}".replace(" + ", "-").replace(", ", "-")
            epochs = options.continued_epochs
            _trained(options, "xml", folder, MATCHINGS[name], files, seed, epochs)
            for row, values in _rows(_scored(options, folder)).items():
                found.setdefault(name, {}).setdefault(row, []).extend(values)
    return found


def _weights(run: Path, folder: Path) -> dict[int, list[Path]]:
    """Files with the weights of each network of each seed of a run."""
    found: dict[int, list[Path]] = {}
    for place in trained_seeds(run):
        students, _ = load_students(place / FILE)
        seed = int(place.name.removeprefix("seed-"))
        numbers = range(len(students))
        found[seed] = [folder / f"seed-{seed}-{number}.safetensors" for number in numbers]
        for number, path in enumerate(found[seed]):
            # What a run starts from is a part of it, so the files stay as they are.
            if not path.is_file():
                save_tensors(students.student(number).network, path)
    return found


def _rows(summary: MutualSummary) -> dict[str, list[float]]:
    ensembles = {f"ensemble of {name}": values for name, values in summary.ensembles.items()}
    return {**summary.paths, **ensembles}


def _print_table(title: str, columns: Mapping[str, Rows]) -> None:
    print(f"\n{title}\n")
    print("| path | " + " | ".join(columns) + " |")
    print("|---" * (len(columns) + 1) + "|")
    for row in next(iter(columns.values())):
        print(f"| {row} | " + " | ".join(_told(rows[row]) for rows in columns.values()) + " |")


def _print_front(title: str, summary: MutualSummary, names: Sequence[str]) -> None:
    """The paths that no other one beats in accuracy at as few multiply-accumulates."""
    costs = [cost for cost in summary.costs[names[0]] if cost != "flops"]
    means = {name: mean_and_spread(summary.paths[name])[0] for name in names}
    print(f"\n{title}\n")
    print("| path | accuracy, % | " + " | ".join(costs) + " |")
    print("|---" * (len(costs) + 2) + "|")
    best = float("-inf")
    for name in sorted(names, key=lambda name: (summary.costs[name]["macs"], -means[name])):
        if means[name] > best:
            best = means[name]
            cells = " | ".join(f"{summary.costs[name][cost]:,.4g}" for cost in costs)
            print(f"| {name} | {_told(summary.paths[name])} | {cells} |")


def _told(values: Sequence[float]) -> str:
    mean, spread = mean_and_spread([100 * value for value in values])
    return f"{mean:.2f}" + ("" if spread is None else f" ± {spread:.2f}")


if __name__ == "__main__":
    main()
