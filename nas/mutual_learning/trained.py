"""Runs of networks that learned together: their figures, and the network of each path."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

import nas.tasks
from nas import allowed
from nas.errors import UserError
from nas.files import write_json
from nas.kinds.teacher import METRICS
from nas.mutual_learning.kinds import mutual_kind
from nas.mutual_learning.networks_file import FILE, StudentsDescription, load_students
from nas.mutual_learning.scores import score_paths
from nas.mutual_learning.settings import MutualConfig
from nas.settings import read_yaml, validate
from nas.tasks import Task
from nas.training.device import resolve_device

CONFIG = "mutual.yaml"


@dataclass(frozen=True)
class MutualSummary:
    """What the trainings of a run came to.

    Attributes:
        split: That the figures are of.
        figure: What they are: accuracy, or mean_iou for segmentation.
        seeds: Seed of each training.
        networks: Names of the networks.
        paths: Figures of each path, one for each seed.
        ensembles: Figures of the ensembles, likewise; see `PathScores`.
        costs: Of each path: params, macs, flops, and the latency in milliseconds where it was
            measured, as ``latency_ms_DEVICE``.
    """

    split: str
    figure: str
    seeds: tuple[int, ...]
    networks: tuple[str, ...]
    paths: dict[str, list[float]]
    ensembles: dict[str, list[float]]
    costs: dict[str, dict[str, float]]


def read_config(folder: Path) -> MutualConfig:
    """The configuration that a folder was trained with.

    Raises:
        UserError: If there is none.
    """
    path = folder / CONFIG
    if not path.is_file():
        raise UserError(f"{folder}: no {CONFIG} there; give the folder of a run of nas mutual.")
    values = read_yaml(path)
    allowed.require(allowed.code_in(values), folder)
    kind = mutual_kind(str(values.get("kind", "classification")))
    return validate(kind.config, values, str(path))


def evaluate_mutual(
    folder: Path, split: str, device: str = "auto", data: str | None = None
) -> MutualSummary:
    """Scores every path of a run on a split.

    Args:
        folder: Of the run.
        split: train, validation or test.
        device: auto, cpu or cuda:N.
        data: Folder of the images, if they have moved.

    Raises:
        UserError: If the folder holds no such run, or there is no such split.
    """
    config, where, places = read_config(folder), resolve_device(device), trained_seeds(folder)
    task = load_task(config, data)
    task.dataset(split)
    records, costs = [], json.loads((folder / METRICS).read_text(encoding="utf-8"))["costs"]
    for place in places:
        students, _ = load_students(place / FILE)
        scores = score_paths(students.to(where), task, split, where)
        seed = int(place.name.removeprefix("seed-"))
        records.append({"seed": seed, "paths": scores.paths, "ensembles": scores.ensembles})
    summary = summary_of(split, task, config, records, costs)
    write_json(folder / f"evaluation-{split}.json", record_of(summary))
    return summary


def trained_seeds(folder: Path) -> list[Path]:
    """The folders of a run's finished trainings, by seed.

    Raises:
        UserError: If there is none.
    """
    found = {
        int(place.name.removeprefix("seed-")): place
        for place in folder.glob("seed-*")
        if (place / FILE).is_file() and (place / METRICS).is_file()
    }
    if not found:
        raise UserError(f"{folder}: nothing is trained there yet; repeat nas mutual.")
    return [found[seed] for seed in sorted(found)]


@dataclass(frozen=True)
class PathNetwork:
    """A path with the weights of its training.

    Attributes:
        path: The file that holds the weights.
        network: On the CPU, in evaluation mode.
        description: How it is fed.
    """

    path: Path
    network: nn.Module
    description: StudentsDescription


def best_path(folder: Path, name: str) -> PathNetwork:
    """A path of the seed where its figure on the validation split is highest.

    Args:
        folder: Of the run.
        name: Of the path, for example ``resnet18/resnet34``.

    Raises:
        UserError: If nothing is trained, or there is no such path.
    """

    def accuracy(place: Path) -> float:
        record = json.loads((place / METRICS).read_text(encoding="utf-8"))
        return float(record["paths"].get(name, 0.0))

    file = max(trained_seeds(folder), key=accuracy) / FILE
    students, description = load_students(file)
    return PathNetwork(file, students.network(students.path(name)), description)


def load_task(config: MutualConfig, data: str | None = None) -> Task:
    """The data of a run.

    Args:
        config: Of the run.
        data: Folder of the images, if they have moved.

    Raises:
        UserError: If it cannot be had.
    """
    place = config.task, config.data
    name, images = nas.tasks.moved(*place, data) if data is not None else place
    return nas.tasks.load(name, images, **config.task_options)


def summary_of(
    split: str,
    task: Task,
    config: MutualConfig,
    records: Sequence[Mapping[str, Any]],
    costs: dict[str, dict[str, float]],
) -> MutualSummary:
    """The figures of a split, from what was recorded of each seed."""
    first = records[0]
    return MutualSummary(
        split=split,
        figure=mutual_kind(task.kind).figure,
        seeds=tuple(record["seed"] for record in records),
        networks=config.names,
        paths={name: [r["paths"][name] for r in records] for name in first["paths"]},
        ensembles={name: [r["ensembles"][name] for r in records] for name in first["ensembles"]},
        costs=costs,
    )


def record_of(summary: MutualSummary) -> dict[str, Any]:
    """A summary as JSON takes it."""
    return {
        "split": summary.split,
        "figure": summary.figure,
        "seeds": list(summary.seeds),
        "networks": list(summary.networks),
        "paths": summary.paths,
        "ensembles": summary.ensembles,
        "costs": summary.costs,
    }
