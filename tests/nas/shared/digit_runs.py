"""Tiny trainings on the digits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nas.experiments.config import ExperimentConfig, experiment_config
from nas.experiments.run import Summary, run_experiment
from nas.settings import overridden, validate

DIGITS = {
    "task": "digits",
    "task_options": {"size": 8, "train": 60, "validation": 40, "test": 40},
    "model": {"name": "convnet_small"},
    "training": {
        "epochs": 2,
        "batch_size": 20,
        "learning_rate": 0.003,
        "augmentation": "none",
        "warmup": 0.0,
    },
    "device": "cpu",
}


def make_config(**changes: Any) -> ExperimentConfig:
    """A configuration; changes by dotted key, with two underscores for the dot."""
    values = {key.replace("__", "."): value for key, value in changes.items()}
    kind = experiment_config("classification")
    return validate(kind, overridden(DIGITS, values), "settings")


@pytest.fixture(scope="session")
def config() -> Callable[..., ExperimentConfig]:
    """Makes configurations."""
    return make_config


@pytest.fixture(scope="session")
def train() -> Callable[..., tuple[Summary, list[tuple[str, int]]]]:
    """Trains a configuration, and gives the summary and the epochs that were trained."""

    def run(folder: Path, **changes: Any) -> tuple[Summary, list[tuple[str, int]]]:
        seen: list[tuple[str, int]] = []
        summary = run_experiment(
            make_config(**changes),
            folder,
            on_epoch=lambda what, record, epochs: seen.append((what, record.epoch)),
        )
        return summary, seen

    return run


@pytest.fixture(scope="session")
def teacher(train: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two seeds, not to be written to."""
    folder: Path = tmp_path_factory.mktemp("experiments") / "teacher"
    train(folder, seeds=2, training__epochs=8)
    return folder
