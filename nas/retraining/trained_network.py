"""Networks that have been trained, by their file or folder, and the data that they know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

import nas.tasks
from nas.errors import UserError
from nas.evaluation.teacher import CONFIG as TEACHER_CONFIG
from nas.evaluation.teacher import load_teacher
from nas.experiments.config import ExperimentConfig
from nas.experiments.folder import CONFIG
from nas.models.classifier_file import ClassifierDescription
from nas.models.weights import FILE, network_file
from nas.retraining.network_file import NetworkDescription, describe, load
from nas.search.kinds import ImageSearchConfig
from nas.search.run_folder import RunFolder
from nas.settings import read_yaml, validate
from nas.tasks import ClassificationTask, Task
from nas.training.classification.networks import network_path

_CPU = torch.device("cpu")
_RETRAINED = "retrain"
_FEED = ("input_size", "mean", "std")


@dataclass(frozen=True)
class TrainedNetwork:
    """A network with the weights of its training.

    Attributes:
        path: The file of its weights.
        network: On the CPU, in evaluation mode.
        classes: Names of the classes, in the order of the logits.
        input_size: Height and width of its images, in pixels.
        mean: Of the normalised channels, red first, for values from 0 to 1.
        std: Likewise.
    """

    path: Path
    network: nn.Module
    classes: tuple[str, ...]
    input_size: tuple[int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]


@dataclass(frozen=True)
class NamedTask:
    """A task as a user names it, or what differs from the one that a network was trained on.

    Attributes:
        name: A built-in task, a folder, or a YAML file; None for that of the training.
        data: Folder of the images, if it is not the one that the task gives.
        options: Options of the task, such as its input size.
    """

    name: str | None = None
    data: Path | None = None
    options: Mapping[str, Any] | None = None


def trained_network(place: Path, task: Task | None) -> TrainedNetwork:
    """Loads a network that ``nas retrain``, ``train`` or ``distill`` made.

    Args:
        place: Its file, its folder, or the folder of a training over several seeds, whose network
            of the highest accuracy on the validation split is taken.
        task: The data that it is used with, if any.

    Raises:
        UserError: If there is no such network, it was trained on other data than the task's, or
            the task is missing that tells the size of its images.
    """
    path = file_of(place)
    if not is_self_contained(path):
        return _teacher(path, task)
    description = describe(path)
    if task is not None:
        _require_same(description, task, path)
    return TrainedNetwork(
        path=path,
        network=load(path),
        classes=description.classes,
        input_size=description.input_size,
        mean=description.mean,
        std=description.std,
    )


def is_self_contained(path: Path) -> bool:
    """Whether a file of weights tells all of its network, the size of the images included."""
    return not (path.parent / TEACHER_CONFIG).is_file()


def file_of(place: Path) -> Path:
    """The file of weights that a user means.

    Raises:
        UserError: If there is none.
    """
    if not place.exists():
        raise UserError(f"{place}: no such file or folder.")
    if (place / "run.json").is_file():
        raise UserError(_of_run(RunFolder(place)))
    if place.is_file() or (place / FILE).is_file():
        return network_file(place)
    if not any(place.glob("seed-*")):
        raise UserError(
            f"{place}: no {FILE} there; give a network that nas retrain, train or distill made."
        )
    return network_path(place)


def task_of_training(path: Path, named: NamedTask) -> Task:
    """The task that a user names, or else that of a network's training.

    Args:
        path: The file of the network.
        named: What the user says of it.

    Raises:
        UserError: If there is no such task, or no file tells which task the network was trained on.
    """
    if named.name is not None:
        return nas.tasks.load(named.name, data=named.data, **(named.options or {}))
    known = _recorded_task(path)
    if known is None:
        raise UserError(
            f"{path}: no file beside it tells which images it was trained on; give --task."
        )
    name, data, options = known
    return nas.tasks.load(name, data=named.data or data, **{**options, **(named.options or {})})


def _recorded_task(path: Path) -> tuple[str, str | None, dict[str, Any]] | None:
    """Name, data and options of the task of the training, if a file tells them."""
    outer = path.resolve().parent.parent
    if outer.name == _RETRAINED and (outer.parent / "run.json").is_file():
        run = RunFolder.open(outer.parent).config()
        if isinstance(run, ImageSearchConfig):
            return run.task, run.data, dict(run.task_options)
    if (outer / CONFIG).is_file() and path.parent.name.startswith("seed-"):
        values = read_yaml(outer / CONFIG)
        config = validate(ExperimentConfig, values, str(outer / CONFIG))
        return config.task, config.data, dict(config.task_options)
    return None


def _teacher(path: Path, task: Task | None) -> TrainedNetwork:
    """A segmentation network of ``nas train``, whose file says nothing of its images."""
    if not isinstance(task, nas.tasks.SegmentationTask):
        raise UserError(
            f"{path.parent}: this network does not tell the size of its images; give --task, the "
            "segmentation task that it was trained on."
        )
    return TrainedNetwork(
        path=path,
        network=load_teacher(path.parent, task, _CPU),
        classes=task.classes,
        input_size=task.input_size,
        mean=tuple(task.mean),
        std=tuple(task.std),
    )


def _require_same(
    description: NetworkDescription | ClassifierDescription, task: Task, path: Path
) -> None:
    of_images = isinstance(description, ClassifierDescription)
    if of_images != isinstance(task, ClassificationTask):
        kind = "classification" if of_images else "segmentation"
        raise UserError(
            f"{path}: it is a network for {kind}, and task {task.name!r} is one of {task.kind}."
        )
    if tuple(description.classes) != tuple(task.classes):
        raise UserError(
            f"{path}: its {len(description.classes)} classes are not the {len(task.classes)} of "
            f"task {task.name!r}; give the task that it was trained on."
        )
    for key in _FEED:
        theirs, ours = tuple(getattr(description, key)), tuple(getattr(task, key))
        if any(abs(a - b) > 1e-6 for a, b in zip(theirs, ours, strict=True)):
            raise UserError(
                f"{path}: it was trained with {key} {list(theirs)}, and task {task.name!r} has "
                f"{list(ours)}; give the task's options of the training, for example --set "
                "size=64."
            )


def _of_run(run: RunFolder) -> str:
    found = sorted(path.parent for path in run.retrain.glob(f"*/{FILE}"))
    if found:
        names = ", ".join(map(str, found[:3]))
        return f"{run.path}: this is a run; give one of its retrained networks: {names}."
    return f"{run.path}: no network of this run is trained yet; nas retrain {run.path} --best."
