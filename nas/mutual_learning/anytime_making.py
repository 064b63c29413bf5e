"""Gives the networks of a run exits, and measures them."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator
from pathlib import Path as FilePath

import torch
from torch import Tensor

import latency
from nas.errors import UserError
from nas.kinds.classification.scoring import score_logits
from nas.kinds.teacher import METRICS
from nas.mutual_learning.anytime import ROUNDS, Anytime, AnytimeModules
from nas.mutual_learning.anytime_description import AnytimeDescription, Exit, Times
from nas.mutual_learning.anytime_file import head_channels
from nas.mutual_learning.exit_times import times_of
from nas.mutual_learning.exits import ExitHead, fit_temperature, pooled, train_head
from nas.mutual_learning.losses import Path, all_paths
from nas.mutual_learning.networks_file import FILE, ClassifiersDescription, load_students
from nas.mutual_learning.students import Forward, Students
from nas.mutual_learning.trained import load_task, read_config, trained_seeds
from nas.tasks import ClassificationTask
from nas.training.device import resolve_device
from nas.training.images import Normaliser

_BATCH = 256


def make_anytime(
    folder: FilePath, device: str = "auto", data: str | None = None, rounds: int = ROUNDS
) -> Anytime:
    """Gives the networks of a run a classifier at every cut, and measures all exits on the CPU.

    The seed is the one whose paths are most accurate on the validation split. The classifiers
    learn from the images of the training split without augmentation, while the networks stay as
    they are; the temperature of every exit is fitted on the validation split.

    Args:
        folder: Of a run of ``nas mutual``.
        device: Where images run through the networks: auto, cpu or cuda:N.
        data: Folder of the images, if they have moved.
        rounds: Measurements of each part.

    Raises:
        UserError: If nothing is trained there, the networks are no classifiers, or they hand over
            no maps.
    """
    where = resolve_device(device)
    task = load_task(read_config(folder), data)
    if not isinstance(task, ClassificationTask):
        raise UserError(
            f"{folder}: exits give one class for an image, so they are for classification alone; "
            "export one path instead (--path)."
        )
    students, description = load_students(_best_seed(folder) / FILE)
    assert isinstance(description, ClassifiersDescription)  # the task is one of classification
    cuts = tuple(head_channels(students))
    ends = all_paths(len(students), students.parts)
    students.to(where)
    features = _outputs(students, task, "train", where, cuts)
    labels, classes = task.dataset("train").targets, task.num_classes
    heads = {path: train_head(features.pop(path), labels, classes) for path in cuts}
    seen = _outputs(students, task, "validation", where, (*cuts, *ends))
    modules = AnytimeModules(students.cpu(), heads)
    exits = tuple(_exit(modules, path, seen[path], task) for path in (*cuts, *ends))
    found = Anytime(
        modules,
        AnytimeDescription(networks=description, exits=exits, times=_unknown(modules, exits)),
    )
    found.measure(rounds)
    return found


def _best_seed(folder: FilePath) -> FilePath:
    def accuracy(place: FilePath) -> float:
        record = json.loads((place / METRICS).read_text(encoding="utf-8"))
        return statistics.fmean(record["paths"].values())

    return max(trained_seeds(folder), key=accuracy)


def _outputs(
    students: Students,
    task: ClassificationTask,
    split: str,
    device: torch.device,
    paths: tuple[Path, ...],
) -> dict[Path, Tensor]:
    """Pooled maps N x channels at the cuts, and logits N x classes at the ends of paths."""
    found: dict[Path, list[Tensor]] = {path: [] for path in paths}
    for images in _batches(task, split, device):
        with torch.no_grad():
            forward = Forward(students, images)
            for path in paths:
                output = forward(path)
                is_end = len(path) == students.parts
                found[path].append((output if is_end else pooled(output)).float().cpu())
    return {path: torch.cat(outputs) for path, outputs in found.items()}


def _batches(task: ClassificationTask, split: str, device: torch.device) -> Iterator[Tensor]:
    data, normalise = task.dataset(split), Normaliser(task.mean, task.std)
    for start in range(0, len(data), _BATCH):
        yield normalise(data.images[start : start + _BATCH], device)


def _exit(modules: AnytimeModules, path: Path, seen: Tensor, task: ClassificationTask) -> Exit:
    head, labels = modules.head(path), task.dataset("validation").targets
    if isinstance(head, ExitHead):
        with torch.no_grad():
            seen = head.linear(seen)
    return Exit(
        path=path,
        accuracy=score_logits(seen, labels, task).figures["accuracy"],
        temperature=fit_temperature(seen, labels),
        macs=float(latency.count(modules.until(path), task.input_shape).macs),
    )


def _unknown(modules: AnytimeModules, exits: tuple[Exit, ...]) -> Times:
    nothing = {exit.path: [0.0] for exit in exits}
    return times_of(modules.students, "", nothing, nothing)
