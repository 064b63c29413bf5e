"""The teacher: trained or loaded, checked before anybody learns from it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from nas.distillation.dry_run import split_output
from nas.errors import UserError
from nas.kinds.ahead import Announce
from nas.kinds.feeding import Feed, adapt
from nas.kinds.kind import Teacher
from nas.kinds.network_file import (
    FILE,
    METRICS,
    NetworkDescription,
    describe,
    is_former_teacher,
    load_described,
    network_path,
    require_kind,
    save_network,
    seed_folders,
)
from nas.kinds.registry import kind_of
from nas.kinds.teacher_file import TeacherModel
from nas.models.weights import CHECKPOINTS, has_description, load_tensors, read_tensors
from nas.objects import is_object, kept
from nas.tasks import Task
from nas.training.fit import fit
from nas.training.images import some_images
from nas.training.loop import naming_diverged
from nas.training.seeding import derive, seeded

__all__ = [
    "FILE",
    "METRICS",
    "checkpoint_model",
    "load_teacher",
    "network_path",
    "seed_folders",
    "teacher_folder",
    "train_teacher",
    "trained_teacher",
]


def load_teacher(
    place: str | Path, task: Task, device: torch.device, model: TeacherModel | None = None
) -> Teacher:
    """Loads a network to learn from, and scores it on the validation split.

    It may have been trained on images of another size and normalisation: it is given those of the
    task as it wants them. One that knows other classes than the task's has no score.

    Args:
        place: A run, a network file, or a checkpoint of `model`.
        task: The data.
        device: Where it goes.
        model: How the network is built whose weights are at the place; None if the file says it.

    Raises:
        UserError: If it was made for another kind of task or other channels, its file cannot be
            read, or it has nothing to teach.
    """
    if is_object(place):
        network: nn.Module = kept(str(place), "teacher").to(device).eval()
        knows_classes = _number_of_logits(network, task, device) == task.num_classes
        return _checked(network, Path(place), task, device, knows_classes)
    path = network_path(place)
    if model is not None:
        if task.kind != "classification":
            raise UserError(
                f"teacher {path}: a checkpoint of a classifier cannot teach a {task.kind} task; "
                "give a run of nas train."
            )
        network, count = model.load(path, task)
        feed, knows_classes = model.feed(task), count == task.num_classes
    else:
        description = _described(path, task)
        network = load_described(path, description)
        feed = Feed(description.input_size, description.mean, description.std)
        knows_classes = tuple(description.classes) == tuple(task.classes)
    try:
        change = adapt(network, feed, task)
    except UserError as error:
        raise UserError(f"teacher {path}: {error}") from error
    return _checked(network.to(device).eval(), path, task, device, knows_classes, feed, change)


def trained_teacher(
    settings: Any,
    task: Task,
    cache: Path,
    device: torch.device,
    seed: int,
    announce: Announce = lambda what, record, epochs: None,
) -> Teacher:
    """The teacher that the settings name, or one that is trained for the search.

    An interrupted training resumes from its last epoch.

    Args:
        settings: ``run``, or ``model`` and ``training``.
        task: The data.
        cache: Where a trained one is kept.
        device: Where it is trained.
        seed: Of weights, order and augmentation.
        announce: Told of every epoch.

    Raises:
        UserError: If it cannot be made, was made for other data, or has nothing to teach.
    """
    if settings.run is not None:
        return load_teacher(settings.run, task, device, checkpoint_model(settings))
    path = train_teacher(settings, task, cache, device, seed, announce)
    if has_description(path):
        network = load_described(path, describe(path))
    else:
        # Older caches hold weights alone.
        kind = kind_of(task)
        network = kind.create(kind.without_hub(settings.model), task)
        load_tensors(network, read_tensors(path, "teacher"), f"teacher weights {path}")
    longer = f"evaluation.teacher.training.epochs={2 * settings.training.epochs}"
    remedy = f", for example with --set {longer} or --no-distillation."
    return _checked(network.to(device).eval(), path, task, device, remedy=remedy)


def train_teacher(
    settings: Any,
    task: Task,
    cache: Path,
    device: torch.device,
    seed: int,
    announce: Announce = lambda what, record, epochs: None,
) -> Path:
    """Trains a teacher, unless that has been done, and returns the file of its weights.

    Raises:
        UserError: If the training diverges.
    """
    folder = teacher_folder(settings, task, cache, seed)
    path = folder / FILE
    if path.exists():
        return path
    folder.mkdir(exist_ok=True)
    kind, checkpoint, training = kind_of(task), folder / "checkpoint.pt", settings.training
    with seeded(seed, "teacher"):
        network = kind.create(settings.model, task)
    with naming_diverged("the teacher", "evaluation.teacher.training.learning_rate", training):
        fit(
            kind,
            network,
            task,
            training,
            device=device,
            seed=derive(seed, "teacher"),
            resume=checkpoint,
            on_epoch=lambda record: announce("teacher", record, record.planned),
        )
    model = kind.as_trained(settings.model, task)
    save_network(network, NetworkDescription.of(model, task), path)
    checkpoint.unlink()
    return path


def teacher_folder(settings: Any, task: Task, cache: Path, seed: int) -> Path:
    """Where a teacher that is trained for a search is kept."""
    return cache / f"teacher-{derive(settings.model_dump_json(), task.fingerprint, seed):016x}"


def checkpoint_model(settings: Any) -> TeacherModel | None:
    """The network whose weights the run of a search's teacher holds, if its file is a checkpoint.

    Args:
        settings: The teacher of a search.
    """
    # Classifiers alone can come from such files.
    model: TeacherModel | None = getattr(settings, "run_model", None)
    return model


def _described(path: Path, task: Task) -> NetworkDescription:
    if path.suffix in CHECKPOINTS or not (has_description(path) or is_former_teacher(path)):
        raise UserError(
            f"teacher {path}: the file does not say how its network is built; name it with "
            "--teacher-model NAME, in a search with evaluation.teacher.run_model.name."
        )
    description = describe(path, task)
    try:
        require_kind(description, task, path)
    except UserError as error:
        raise UserError(f"teacher {error}") from error
    return description


def _number_of_logits(network: nn.Module, task: Task, device: torch.device) -> int:
    with torch.no_grad():
        logits, _ = split_output(network(some_images(task, device, count=2)))
    return int(logits.shape[1])


def _checked(
    network: nn.Module,
    path: Path,
    task: Task,
    device: torch.device,
    knows_classes: bool = True,
    feed: Feed | None = None,
    change: str = "",
    remedy: str = ".",
) -> Teacher:
    """A teacher that has something to teach; `remedy` ends the sentence about one that has not."""
    kind = kind_of(task)
    identity = kind.fingerprint(network)
    if change:
        # Another treatment of the images makes another teacher of the same weights.
        identity += f" {feed}"
    if not knows_classes:
        remark = "it knows other classes, so its features alone can teach"
        return Teacher(network, path, None, identity, "; ".join(filter(None, (remark, change))))
    card = kind.score(network, task, "validation", device)
    try:
        remark = kind.check_teacher(network, card, task, device)
    except UserError as error:
        raise UserError(f"teacher {path}: {str(error).removesuffix('.')}{remedy}") from error
    return Teacher(network, path, card, identity, "; ".join(filter(None, (remark, change))))
