"""Builds an anti-spoofing task from files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nas.errors import UserError
from nas.settings import validate
from nas.tasks.antispoofing.file_source import FileFaces
from nas.tasks.antispoofing.lists import read_list
from nas.tasks.antispoofing.settings import AntiSpoofingSettings
from nas.tasks.antispoofing.source import CLASSES
from nas.tasks.antispoofing.task import AntiSpoofingTask
from nas.tasks.classification.memory import check_memory
from nas.tasks.task import SPLITS


def load_described(path: Path, values: Any, data: Path | None) -> AntiSpoofingTask:
    """Builds the task that a task.yaml describes.

    Args:
        path: The YAML file.
        values: What it holds: fields of `AntiSpoofingSettings`.
        data: Folder of the data; the YAML's `root` unless given.

    Raises:
        UserError: If a list or a value is wrong.
    """
    settings = validate(AntiSpoofingSettings, values, str(path))
    root = data if data is not None else path.parent / settings.root.expanduser()
    if not root.is_dir():
        raise UserError(f"{root}: no such folder; correct root, or give --data.")
    sources = {}
    for split in SPLITS:
        path = settings.place(getattr(settings, split), split, root)
        faces = read_list(path, root, settings)
        sources[split] = FileFaces(
            root,
            faces,
            settings.modalities,
            settings.input_size,
            settings.fill,
            settings.value_range,
        )
    check_memory(settings.name, sources, settings.input_size, sum(settings.inputs.values()))
    return AntiSpoofingTask(
        name=settings.name,
        classes=CLASSES,
        input_size=settings.input_size,
        sources=sources,
        inputs=settings.inputs,
        normalisation=settings.given_normalisation,
        fill=settings.fill,
    )
