"""Finds the networks that trainings left behind."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from nas.errors import UserError
from nas.models.classifier_file import (
    ClassifierDescription,
    describes_classifier,
    load_classifier,
    read_classifier_description,
)
from nas.tasks import ClassificationTask
from nas.training.classification.scoring import ClassifierCard, score_classifier

MODEL = "model.safetensors"
METRICS = "metrics.json"


@dataclass(frozen=True)
class Teacher:
    """A network to learn from.

    Attributes:
        network: In evaluation mode.
        path: Where it comes from.
        card: Its scores on the validation split.
    """

    network: nn.Module
    path: Path
    card: ClassifierCard


def seed_folders(run: Path) -> list[Path]:
    """The folders of a run's finished trainings, by seed.

    Raises:
        UserError: If there is none.
    """
    found = {
        int(seed): folder
        for folder in run.glob("seed-*")
        if (seed := folder.name.removeprefix("seed-")).isdecimal() and (folder / MODEL).is_file()
    }
    if not found:
        raise UserError(f"{run}: no trained network there; make one with nas train or nas distill.")
    return [found[seed] for seed in sorted(found)]


def network_path(place: str | Path) -> Path:
    """The file of a network.

    Args:
        place: A file, the folder that holds it, or a run, whose training with the highest
            accuracy on the validation split is taken.

    Raises:
        UserError: If there is no network.
    """
    path = Path(place).expanduser()
    if path.is_file():
        return path
    if (path / MODEL).is_file():
        return path / MODEL
    if not path.is_dir():
        raise UserError(f"teacher {path}: no such file or folder; give a run of nas train.")
    return max(seed_folders(path), key=_validation_accuracy) / MODEL


def load_teacher(place: str, task: ClassificationTask, device: torch.device) -> Teacher:
    """Loads a network to learn from, and scores it on the validation split.

    Raises:
        UserError: If it was made for other classes or other images, or is no better than always
            naming the most frequent class.
    """
    path = network_path(place)
    if not describes_classifier(path):
        raise UserError(f"teacher {path}: it is no network of a classification task; give one.")
    require_fitting(read_classifier_description(path), task, path)
    network = load_classifier(path).to(device).eval()
    card = score_classifier(network, task, "validation", device)
    shares = card.confusion.sum(axis=1) / card.confusion.sum()
    if card.accuracy <= float(shares.max()):
        raise UserError(
            f"teacher {path}: its accuracy of {card.accuracy:.3f} on the validation images is no "
            f"better than always naming one class ({float(shares.max()):.3f}); train it longer."
        )
    return Teacher(network, path, card)


def require_fitting(
    description: ClassifierDescription, task: ClassificationTask, path: Path
) -> None:
    """Refuses a network that was made for other data.

    Raises:
        UserError: One sentence that says what differs.
    """
    if tuple(description.classes) != tuple(task.classes):
        raise UserError(
            f"{path}: its {len(description.classes)} classes are not the {len(task.classes)} of "
            f"task {task.name!r}; take a network that was trained for this task."
        )
    for key in ("input_size", "mean", "std"):
        theirs, ours = tuple(getattr(description, key)), tuple(getattr(task, key))
        if any(abs(a - b) > 1e-6 for a, b in zip(theirs, ours, strict=True)):
            raise UserError(
                f"{path}: it was trained with {key} {list(theirs)}, and task {task.name!r} has "
                f"{list(ours)}; load the task with the options that it was trained with."
            )


def _validation_accuracy(folder: Path) -> float:
    record = json.loads((folder / METRICS).read_text(encoding="utf-8"))
    return float(record["validation"]["accuracy"])
