"""Networks that have been trained, by their file or folder, and the data that they know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

import nas.tasks
from nas.errors import UserError
from nas.experiments.config import CONFIG, ExperimentConfig, read_experiment
from nas.files import read_json
from nas.kinds.network_file import (
    FILE,
    METRICS,
    NetworkDescription,
    describe,
    is_former_teacher,
    load_described,
    require_fitting,
)
from nas.kinds.teacher import network_path
from nas.models.weights import network_file
from nas.searching.config import ImageSearchConfig
from nas.searching.run_folder import RunFolder
from nas.tasks import Task

_RETRAINED = "retrain"
TRAINED_ON = "task"
"""In ``metrics.json`` of a network outside of its run: name, data and options of the task."""
CHANGED_OPTIONS = "task_options"
"""In ``metrics.json``: options of the task in which a retraining differs from its search."""


@dataclass(frozen=True)
class TrainedNetwork:
    """A network with the weights of its training.

    Attributes:
        path: The file of its weights.
        network: On the CPU, in evaluation mode.
        description: How it is built and fed.
    """

    path: Path
    network: nn.Module
    description: NetworkDescription


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
    description = describe(path, task)
    if task is not None:
        require_fitting(description, task, path)
    return TrainedNetwork(path, load_described(path, description), description)


def is_self_contained(path: Path) -> bool:
    """Whether a file of weights tells all of its network, the size of the images included."""
    return not is_former_teacher(path)


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
    if named.data is not None:
        name, data = nas.tasks.moved(name, data, named.data)
    return nas.tasks.load(name, data=data, **{**options, **(named.options or {})})


def _recorded_task(path: Path) -> tuple[str, str | None, dict[str, Any]] | None:
    """Name, data and options of the task of the training, if a file tells them."""
    beside = path.parent / METRICS
    record = read_json(beside) if beside.is_file() else None
    record = record if isinstance(record, dict) else {}
    if TRAINED_ON in record:
        known = record[TRAINED_ON]
        return known["name"], known["data"], known["options"]
    found = search_of_training(path)
    config = found[1] if found is not None else experiment_of_training(path)
    if config is None:
        return None
    return config.task, config.data, {**config.task_options, **record.get(CHANGED_OPTIONS, {})}


def search_of_training(path: Path) -> tuple[RunFolder, ImageSearchConfig] | None:
    """The search whose folder a retrained network lies in, or None."""
    outer = path.resolve().parent.parent
    if outer.name != _RETRAINED or not (outer.parent / "run.json").is_file():
        return None
    run = RunFolder.open(outer.parent)
    config = run.config()
    return (run, config) if isinstance(config, ImageSearchConfig) else None


def experiment_of_training(path: Path) -> ExperimentConfig | None:
    """What ``nas train`` or ``nas distill`` made a network with, or None if neither did."""
    outer = path.resolve().parent.parent
    if not (outer / CONFIG).is_file() or not path.parent.name.startswith("seed-"):
        return None
    return read_experiment(outer)


def _of_run(run: RunFolder) -> str:
    found = sorted(path.parent for path in run.retrain.glob(f"*/{FILE}"))
    if found:
        names = ", ".join(map(str, found[:3]))
        return f"{run.path}: this is a run; give one of its retrained networks: {names}."
    return f"{run.path}: no network of this run is trained yet; nas retrain {run.path} --best."
