"""Trainings as TensorBoard shows them."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

import nas
from nas.errors import UserError

pytest.importorskip("tensorboard")
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

CONFIG = {
    "task_options": {"size": 8, "train": 60, "validation": 30, "test": 10},
    "training.batch_size": 16,
    "trackers": ["tensorboard"],
}


def train(folder: Path, **options) -> None:
    nas.train(
        *("digits", "convnet_small"),
        run=folder / "run",
        epochs=2,
        device="cpu",
        progress=False,
        config=CONFIG,
        **options,
    )


def scalars(folder: Path, tag: str) -> list[tuple[int, float]]:
    events = EventAccumulator(str(folder / "trackers" / "tensorboard")).Reload()
    return [(one.step, pytest.approx(one.value, rel=1e-5)) for one in events.Scalars(tag)]


def test_every_seed_has_its_curves_and_figures(tmp_path: Path) -> None:
    train(tmp_path)
    train(tmp_path, seeds=2)
    for seed in range(2):
        folder = tmp_path / "run" / f"seed-{seed}"
        rows = list(csv.DictReader((folder / "log.csv").open()))
        for key in ("train_loss", "accuracy"):
            expected = [(int(row["epoch"]) - 1, float(row[key])) for row in rows]
            assert scalars(folder, key) == expected
        assert len(scalars(folder, "final/validation/accuracy")) == 1


def test_the_folder_is_not_tied_to_trackers(tmp_path: Path) -> None:
    train(tmp_path)
    assert "trackers" not in (tmp_path / "run" / "config.yaml").read_text()


def test_an_unknown_tracker_is_refused_first(tmp_path: Path) -> None:
    config = {**CONFIG, "trackers": ["boards"]}
    with pytest.raises(UserError, match="there is no tracker 'boards'"):
        nas.train("digits", "convnet_small", run=tmp_path / "run", config=config)
    assert not (tmp_path / "run").exists()
