#!/usr/bin/env python
r"""Tables of face anti-spoofing: missing modalities, methods, rules of checkpoints, a sweep.

    scripts/antispoofing_tables.py --task surf.yaml --seeds 4 --work runs/surf --device cuda:0
    scripts/antispoofing_tables.py --task spoofing --seeds 4 --work runs/spoofing \
        --task-options '{size: 32}' --teacher '{name: "scripts/antispoofing_tables.py:strided"}' \
        --student '{name: "scripts/antispoofing_tables.py:strided"}' \
        --classifier network.classifier \
        --training '{epochs: 20, batch_size: 20, learning_rate: 0.003}'

A teacher takes all inputs, the students those of --inputs. What is trained already is not trained
again, so the script can be stopped and started with the same options. All figures are of the test
split, mean and sample standard deviation over the seeds; epochs are chosen on validation, and a
sweep shows validation alone. It prints Markdown after each part.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from torch import nn

import nas
import nas.tasks
from nas.experiments.run import mean_and_spread
from nas.models.small_images.staged import StagedNetwork, convolution

RGB_ALONE, SP_INIT = "rgb alone", "sp-init frozen"
SP, AP = "sp features", "patch mmd + at"
ENSEMBLE = "sp + ap ensemble"
_AT = {"pool": "average", "attention": True}

LOSSES: dict[str, Mapping[str, Any]] = {
    "soft target": {"method": "soft_target", "options": {"temperature": 2.0}},
    "patch bce": {"method": "patch_bce"},
    SP: {"method": "similarity"},
    "patch mmd": {"method": "patch_mmd"},
    AP: {"method": "patch_mmd", "options": _AT},
    "spp + at mmd": {"method": "patch_mmd", "options": {**_AT, "levels": [4, 2, 1]}},
    **{
        f"multi-kd {weighting}": {"method": "multi_scale", "options": {"weighting": weighting}}
        for weighting in ("uniform", "student", "teacher", "selector", "self_attention")
    },
}
"""What a student learns from besides its labels, by method."""

METHODS = (RGB_ALONE, *LOSSES, SP_INIT)
MONITORS = ("acer", "for_fdr_mean")
FIGURES = {"acer": "ACER", "apcer": "APCER", "bpcer": "BPCER", "eer": "EER", "accuracy": "accuracy"}
PARTS = ("teacher", "students", "checkpoints", "sweep")


def main() -> None:
    """Trains what is missing and prints the tables."""
    options = _parser().parse_args()
    teacher = _train(options, "teacher", _yaml(options.teacher))
    chosen = options.only.split(",") if options.only else list(METHODS)
    for part in options.parts.split(","):
        if part == "teacher":
            _print_teacher(options, teacher)
        elif part == "students":
            _print_students(options, {name: _student(options, name, teacher) for name in chosen})
        elif part == "checkpoints":
            _print_checkpoints({name: _student(options, name, teacher) for name in chosen})
        else:
            _print_sweep(options, teacher)


def strided(num_classes: int, in_channels: int) -> StagedNetwork:
    """Four convolutions, three of stride 2, for images as small as those of the built-in set."""
    widths = (in_channels, 12, 24, 48, 48)
    stages = [
        nn.Sequential(convolution(before, after, stride=stride), nn.BatchNorm2d(after), nn.ReLU())
        for (before, after), stride in zip(itertools.pairwise(widths), (2, 2, 2, 1), strict=True)
    ]
    return StagedNetwork(nn.Identity(), stages, nn.Identity(), widths[-1], num_classes)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--task", default="spoofing")
    parser.add_argument("--data", default=None)
    parser.add_argument("--task-options", default="{}", help="YAML, for example '{size: 32}'")
    parser.add_argument("--teacher", default="{name: se_resnet18_fusion}", help="model, as YAML")
    parser.add_argument("--student", default="{name: se_resnet18}", help="model, as YAML")
    parser.add_argument("--classifier", default="fc", help="module of the student that classifies")
    parser.add_argument("--inputs", default="rgb", help="of the students")
    parser.add_argument("--training", default="{}", help="YAML, for example '{epochs: 50}'")
    parser.add_argument("--only", default=None, help=f"some of: {','.join(METHODS)}")
    parser.add_argument("--parts", default=",".join(PARTS[:3]), help=f"some of: {','.join(PARTS)}")
    parser.add_argument("--swept", default=AP, help="method whose weight is swept")
    parser.add_argument("--weights", default="0.1:0.9:0.1", help="of the sweep")
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--work", type=Path, required=True, help="folder of the runs")
    return parser


def _yaml(text: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(text)
    return found


def _config(options: argparse.Namespace, model: Mapping[str, Any]) -> dict[str, Any]:
    config = {
        "task_options": _yaml(options.task_options),
        "model": dict(model),
        "training": {"monitors": list(MONITORS), **_yaml(options.training)},
    }
    return {**config, "data": options.data} if options.data else config


def _common(options: argparse.Namespace, folder: str) -> dict[str, Any]:
    return {
        "run": options.work / folder,
        "seeds": options.seeds,
        "device": options.device,
        "progress": False,
    }


def _train(options: argparse.Namespace, folder: str, model: Mapping[str, Any]) -> Path:
    config = _config(options, model)
    return nas.train(options.task, model["name"], config=config, **_common(options, folder)).path


def _student_model(options: argparse.Namespace) -> dict[str, Any]:
    return {**_yaml(options.student), "inputs": options.inputs.split(",")}


def _student(options: argparse.Namespace, method: str, teacher: Path) -> Path:
    """The run of a method, trained if it is not there."""
    folder, model = _plain(method), _student_model(options)
    if method == RGB_ALONE:
        return _train(options, folder, model)
    config, common = _config(options, model), _common(options, folder)
    if method == SP_INIT:
        # The classifier alone learns in the second stage.
        stages = [
            {"name": "sp", "losses": [dict(LOSSES[SP])]},
            {"name": "ap", "train": [options.classifier], "losses": [dict(LOSSES[AP])]},
        ]
        config = {**config, "stages": stages}
        return nas.distill(options.task, model["name"], teacher, config=config, **common).path
    losses = [dict(LOSSES[method])]
    return nas.distill(options.task, model["name"], teacher, losses, config=config, **common).path


def _plain(name: str) -> str:
    return "".join(letter if letter.isalnum() else "_" for letter in name)


def _print_teacher(options: argparse.Namespace, run: Path) -> None:
    task = nas.tasks.load(options.task, options.data, **_yaml(options.task_options))
    inputs = list(task.inputs)
    patterns = [
        list(names)
        for count in range(1, len(inputs))
        for names in itertools.combinations(inputs, count)
    ]
    found = nas.evaluate(run, "test", missing=patterns, device=options.device)
    print(f"\nTeacher, with modalities missing (n = {len(found.seeds)}, {found.checkpoint})\n")
    _print_rows({"all" if row == "none" else row: f for row, f in found.figures.items()})


def _print_students(options: argparse.Namespace, runs: Mapping[str, Path]) -> None:
    rows, found = {}, None
    for name, run in runs.items():
        found = nas.evaluate(run, "test", device=options.device)
        rows[name] = found.figures["none"]
    if SP in runs and AP in runs:
        both = nas.ensemble([runs[SP], runs[AP]], "test", device=options.device)
        rows[ENSEMBLE] = both.evaluation.figures["ensemble"]
    assert found is not None  # there is a method at least
    print(f"\nStudents (n = {len(found.seeds)}, {found.checkpoint})\n")
    _print_rows(rows)


def _print_checkpoints(runs: Mapping[str, Path]) -> None:
    print("\nACER and BPCER in %, by the rule that chose the epoch\n")
    print("| method | " + " | ".join(f"best by {name}" for name in MONITORS) + " |")
    print("|---" * (len(MONITORS) + 1) + "|")
    for name, run in runs.items():
        figures = nas.evaluate(run, "test", best_by=MONITORS).figures
        rows = [figures[f"best by {monitor}"] for monitor in MONITORS]
        cells = [f"{_cell(row['acer'])}, BPCER {_cell(row['bpcer'])}" for row in rows]
        print(f"| {name} | " + " | ".join(cells) + " |")


def _print_sweep(options: argparse.Namespace, teacher: Path) -> None:
    model = _student_model(options)
    found = nas.sweep(
        options.task,
        model["name"],
        {"distill.weight": options.weights},
        teacher=teacher,
        method=[dict(LOSSES[options.swept])],
        config=_config(options, model),
        **_common(options, "sweep"),
    )
    print(f"\nWeight of {options.swept}, ACER on validation (n = {options.seeds})\n")
    print("| weight | ACER, % |\n|---|---|")
    for point in found.summary.trained:
        weight = point.values["distill.weight"]
        print(f"| {weight} | {_cell(point.validation['acer'])} |")
    print(f"\n{found.path / 'plots' / 'sweep.png'}")


def _print_rows(rows: Mapping[str, Mapping[str, Sequence[float]]]) -> None:
    print("|  | " + " | ".join(f"{name}, %" for name in FIGURES.values()) + " |")
    print("|---" * (len(FIGURES) + 1) + "|")
    for row, figures in rows.items():
        cells = [_cell(figures[key]) for key in FIGURES]
        print(f"| {row} | " + " | ".join(cells) + " |", flush=True)


def _cell(values: Sequence[float]) -> str:
    mean, spread = mean_and_spread([100 * value for value in values])
    return f"{mean:.1f}" + ("" if spread is None else f" ± {spread:.1f}")


if __name__ == "__main__":
    main()
