"""A teacher that is trained by itself, to be shared by several searches."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
import yaml

import nas.tasks
from nas.errors import UserError
from nas.evaluation.settings import TeacherSettings
from nas.evaluation.teacher import (
    CONFIG,
    WEIGHTS,
    Lesson,
    TeacherReport,
    check_buildable,
    check_lesson,
    check_teacher,
    load_teacher,
    train_teacher,
)
from nas.files import write_json, write_text
from nas.settings import Settings, overridden, read_yaml, validate
from nas.tasks import SegmentationTask
from nas.training.device import resolve_device
from nas.training.stage_settings import StageSettings
from nas.training.stages import StageTeacher
from nas.training.trainer import EpochRecord


class RunLesson(Settings):
    """What a network learns from another one.

    Attributes:
        teacher: Folder of the other one, made by ``nas train``.
        stages: Stages of the training, with their losses.
    """

    teacher: str
    stages: tuple[StageSettings, ...]


def train_teacher_run(
    task: SegmentationTask,
    folder: Path,
    overrides: Mapping[str, Any],
    seed: int,
    device: str,
    on_epoch: Callable[[str, EpochRecord, int], None],
    lesson: RunLesson | None = None,
) -> TeacherReport:
    """Trains a teacher into a folder of its own and checks it.

    Args:
        task: The data; it is checked first.
        folder: New, or that of a training that was cut off, which then goes on.
        overrides: Values of `TeacherSettings` by dotted key.
        seed: Of weights, order and augmentation.
        device: Where it is trained.
        on_epoch: Told (what is trained, the epoch, the number of epochs).
        lesson: What it learns from another teacher, or None to learn from the masks alone.

    Raises:
        UserError: If the data or a setting is wrong, the folder is in use, or the teacher is no
            better than guessing.
    """
    settings = validate(TeacherSettings, overridden({}, overrides), "teacher")
    if settings.run is not None:
        raise UserError("teacher: a training takes no 'run'; that is for nas search.")
    where = resolve_device(device)
    check_buildable(settings, len(task.classes))
    nas.tasks.check(task).raise_if_bad()
    taught = _lesson(lesson, task, where) if lesson else None
    if taught is not None:
        # A folder that is claimed by a mistake would refuse the mended lesson.
        check_lesson(settings, task, where, taught)
    _claim(folder, task, settings, lesson)
    network = train_teacher(settings, task, folder, where, seed, on_epoch, taught)
    report = check_teacher(network, task, where)
    write_json(folder / "metrics.json", report.to_record())
    return report


def _lesson(lesson: RunLesson, task: SegmentationTask, device: torch.device) -> Lesson:
    teacher = load_teacher(Path(lesson.teacher), task, device)
    check_teacher(teacher, task, device)
    return Lesson(StageTeacher(teacher, teacher.fingerprint), lesson.stages)


def _claim(
    folder: Path, task: SegmentationTask, settings: TeacherSettings, lesson: RunLesson | None
) -> None:
    record = {
        "task": task.name,
        "classes": list(task.classes),
        "teacher": settings.model_dump(mode="json"),
    }
    if lesson is not None:
        record["lesson"] = lesson.model_dump(mode="json")
    path = folder / CONFIG
    if path.exists():
        if read_yaml(path) != record:
            raise UserError(
                f"{folder}: it holds a teacher of other settings; choose another folder."
            )
        if (folder / WEIGHTS).exists():
            raise UserError(f"{folder}: it already holds this teacher, trained to the end.")
        return
    if folder.exists() and any(folder.iterdir()):
        raise UserError(f"{folder}: the folder is in use; choose another one.")
    folder.mkdir(parents=True, exist_ok=True)
    write_text(path, yaml.safe_dump(record, sort_keys=False))
