"""What `compare_versions.py` lets each version do: tiny searches, trainings and what reads them."""

from __future__ import annotations

import itertools
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

INTERRUPTED = 130


@dataclass(frozen=True)
class Command:
    """A command line.

    Attributes:
        name: Of what it prints.
        arguments: Of ``nas``.
        interrupt: It gets a SIGINT once it has printed this.
        reads: Whether what it prints is compared; what trains prints times.
    """

    name: str
    arguments: tuple[str, ...]
    interrupt: str | None = None
    reads: bool = False

    @property
    def code(self) -> int:
        """The exit code that it ought to have."""
        return INTERRUPTED if self.interrupt else 0


def _command(line: str, **more: Any) -> Command:
    name, *arguments = shlex.split(line)
    return Command(name.rstrip(":"), tuple(arguments), **more)


def _written(options: dict[str, int]) -> str:
    return yaml.safe_dump(options, default_flow_style=True).strip()


_FACES = {"train": 24, "validation": 8, "test": 8, "size": 32}
_DIGITS = {"train": 120, "validation": 60, "test": 60, "size": 8}
_ENCODER = "mobilenetv3_small_050"
_QUICK = {"epochs": 2, "batch_size": 8}

_SEGMENTATION = {
    "task": "faces",
    "task_options": _FACES,
    "device": "cpu",
    "trials": 4,
    "space": {"name": "fastnas", "options": {"branches": 2, "cells": 1, "width": 8}},
    "controller": {"name": "evolution", "settings": {"population": 2, "sample": 1}},
    "reward": {
        "classes": ["background", "skin", "hair"],
        "penalties": [{"cost": "flops", "base": 1250000}],
    },
    "evaluation": {
        "encoder": {"name": _ENCODER},
        "pretraining": _QUICK,
        "stage0": {"epochs": 2, "batch_size": 8, "rungs": [1]},
        "stage1": {"enabled": True, "epochs": 1, "batch_size": 8},
        "teacher": {
            "encoder": {"name": _ENCODER, "weights": "none"},
            "training": {
                **{"epochs": 4, "batch_size": 4, "augmentation": "none", "polyak": None},
                "encoder_learning_rate": 0.003,
            },
        },
    },
    "retraining": {"epochs": 2, "batch_size": 8, "augmentation": "light"},
}
_CLASSIFICATION = {
    "task": "digits",
    "task_options": _DIGITS,
    "device": "cpu",
    "trials": 6,
    "space": {"name": "nasbench201", "options": {"channels": 4, "cells": 1}},
    "controller": {"name": "reinforce"},
    "promotion": {"reduction": 2, "at_once": 1},
    "evaluation": {
        "training": {"epochs": 3, "batch_size": 16, "rungs": [1]},
        "teacher": {
            "model": {"name": "convnet_small"},
            "training": {"epochs": 12, "augmentation": "none", "batch_size": 16},
        },
        # Defaults may move; what is compared is what the same settings compute.
        "distillation": {"method": "soft_target"},
    },
    "retraining_losses": [{"method": "soft_target"}],
    # Long enough that others can learn from what is retrained.
    "retraining": {"epochs": 16, "batch_size": 16},
}
_TEMPLATES = {
    **_SEGMENTATION,
    "trials": 2,
    "space": {"name": "template", "options": {"width": 8}},
    "controller": {"name": "random"},
    "reward": {"penalties": [{"cost": "params", "base": 100000}]},
    "evaluation": {
        "encoder": {"name": _ENCODER, "weights": "none"},
        "stage0": {"enabled": False},
        "stage1": {"enabled": True, "epochs": 1, "batch_size": 8},
        "teacher": {"run": "faces-teacher"},
    },
}
_EXPERIMENT = {
    "task": "digits",
    "task_options": _DIGITS,
    "device": "cpu",
    "model": {"name": "convnet_small"},
    "training": {"epochs": 4, "batch_size": 20, "learning_rate": 0.003},
}
_STAGES = {
    **_EXPERIMENT,
    "teacher": "teacher",
    "stages": [
        {
            "name": "guide",
            "train": ["stage1"],
            "task_weight": 0,
            "losses": [{"method": "hint", "weight": 100, "student": "stage1", "teacher": "stage1"}],
            "training": {"epochs": 2},
        },
        {"name": "finish", "losses": [{"method": "soft_target", "ratio": 0.5}]},
    ],
}
_FILES = {
    "segmentation.yaml": _SEGMENTATION,
    "classification.yaml": _CLASSIFICATION,
    "templates.yaml": _TEMPLATES,
    "stages.yaml": _STAGES,
}

_DIGITS_TEACHER = (
    "train --task digits --model convnet_small --epochs 4 --seeds 2 --device cpu --run teacher "
    f"--set 'task_options={_written(_DIGITS)}' --set training.batch_size=20"
)
_FACES_TEACHER = (
    f"train --task faces --model {_ENCODER} --weights none --epochs 8 --device cpu "
    f"--run faces-teacher --set 'task_options={_written(_FACES)}' --set training.batch_size=4"
)
_CUT_OFF = (
    "train --task digits --model convnet_small --epochs 40 --device cpu --run cut-off "
    f"--set 'task_options={_written(_DIGITS)}'"
)
_WHOLE = (
    "search --config classification.yaml --teacher teacher --controller random --trials 6 "
    "--set promotion=null"
)
_BENCHMARK = "benchmark nasbench201 --table table.npz --seeds 1 --trials 20 --output played.json"
_CONTROLLERS = (
    *("random", "reinforce", "ppo", "evolution", "predictor", "local_search", "warm_reinforce"),
    *("preference", "nsga2_pymoo", "tpe", "nsga2"),
)

MAKING = (
    _command(f"teacher: {_DIGITS_TEACHER}"),
    _command(f"faces-teacher: {_FACES_TEACHER}"),
    _command(f"cut-off: {_CUT_OFF}", interrupt="epoch 2/"),
    _command("student: distill --config stages.yaml --run student"),
    _command("segmentation: search --config segmentation.yaml --halving 2 --run segmentation"),
    _command("segmentation-retrained: retrain segmentation --trial 0 --device cpu"),
    _command("segmentation-status: status segmentation", reads=True),
    _command("segmentation-front: pareto list segmentation", reads=True),
    _command("classification: search --config classification.yaml --run classification"),
    _command(
        "classification-retrained: retrain classification --trial 0 --device cpu "
        "--int8 --int8-images 16"
    ),
    _command("classification-status: status classification", reads=True),
    _command("classification-front: pareto list classification --cost params", reads=True),
    _command(f"whole: {_WHOLE} --run whole"),
    _command(f"interrupted: {_WHOLE} --run interrupted", interrupt="trial 1  "),
    _command(
        "table: search --table table.npz --set dataset=shapes --set failures_in_a_row=5 "
        "--controller tpe --trials 8 --penalty latency_ms_toy --halving 2 --run table"
    ),
    _command(f"benchmark: {_BENCHMARK} {' '.join(f'--controller {c}' for c in _CONTROLLERS)}"),
)
"""From an empty folder to runs of every kind."""

GOING_ON = (
    _command("segmentation-status: status segmentation", reads=True),
    _command("segmentation-front: pareto list segmentation", reads=True),
    _command("table-front: pareto list table", reads=True),
    # It is finished, so that what was measured then is printed again.
    _command("segmentation-found: retrain segmentation --trial 0 --device cpu", reads=True),
    _command("exported: export segmentation/retrain/trial-0 --out exported.onnx --device cpu"),
    _command("segmentation-resumed: search --resume --run segmentation --trials 5"),
    _command("classification-resumed: search --resume --run classification --trials 8"),
    _command("table-resumed: search --resume --run table --trials 12"),
    _command("interrupted-resumed: search --resume --run interrupted"),
    _command(f"cut-off-resumed: {_CUT_OFF}"),
    _command("templates: search --config templates.yaml --run templates"),
    _command(
        "segmentation-retrained: retrain segmentation --trial 1 --epochs 1 --device cpu "
        "--distill.method soft_target"
    ),
    _command(
        "classification-retrained: retrain classification --best --epochs 1 --device cpu "
        "--no-distillation"
    ),
    _command("student-evaluated: evaluate student --split test --tta", reads=True),
    _command(
        "taught-by-retrained: distill --task digits --model convnet_small --method dkd --epochs 1 "
        "--teacher classification/retrain/trial-0 --device cpu --run taught-by-retrained "
        f"--set 'task_options={_written(_DIGITS)}'"
    ),
    _command("classification-status: status classification", reads=True),
    _command("interrupted-status: status interrupted", reads=True),
)
"""From the runs of `MAKING` on: each is read, resumed, retrained or learned from."""


def files_text() -> str:
    """The settings that the commands read, as one text."""
    return yaml.safe_dump(_FILES, sort_keys=False)


def write_files(folder: Path) -> None:
    """Writes what the commands read: settings and a table."""
    for name, values in _FILES.items():
        (folder / name).write_text(yaml.safe_dump(values, sort_keys=False), encoding="utf-8")
    _write_table(folder / "table.npz")


def _write_table(path: Path) -> None:
    words: Sequence[str]
    words = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
    cells = list(itertools.product(words, repeat=6))
    large = np.array([cell.count("nor_conv_3x3") for cell in cells], dtype=np.float64)
    small = np.array([cell.count("nor_conv_1x1") for cell in cells], dtype=np.float64)
    luck = np.random.default_rng(0).random((2, len(cells)))
    score = 10 + 10 * large + 6 * small
    np.savez(
        path,
        arch=["|{}~0|+|{}~0|{}~1|+|{}~0|{}~1|{}~2|".format(*cell) for cell in cells],
        params=1000 + 900 * large + 100 * small,
        flops=1e6 * (1 + 9 * large + small),
        latency_ms_toy=1 + 2 * large + small,
        seconds=np.full(len(cells), 36.0),
        shapes_val4=score / 2 + luck[0],
        shapes_val12=score + luck[1],
        shapes_test200=score + 20,
    )
