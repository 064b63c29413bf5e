"""Data are looked through before a training, large ones once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nas import tasks
from nas.errors import UserError
from nas.tasks.segmentation.task import SegmentationTask


@pytest.fixture(autouse=True, name="cache")
def _cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    cache = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("NAS_CACHE", str(cache))
    return cache


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every split is too large for memory."""
    monkeypatch.setattr("nas.tasks.dataset.IN_MEMORY", 0)


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the tasks that were looked through."""
    found: list[str] = []
    check = SegmentationTask.check

    def counted(task: SegmentationTask) -> Any:
        found.append(task.name)
        return check(task)

    monkeypatch.setattr(SegmentationTask, "check", counted)
    return found


def told(task_folder: Any) -> list[str]:
    notes: list[str] = []
    tasks.require_sound(tasks.load(task_folder.root), notes.append)
    return notes


@pytest.mark.usefixtures("large")
def test_a_large_sound_set_is_looked_through_once_and_its_notes_are_told_again(
    task_folder, looks
) -> None:
    task_folder.save(np.full((40, 60), 9, np.uint8), "images/00.jpg")
    first = told(task_folder)
    assert first == ["00: grey, taken as three equal channels."]
    assert told(task_folder) == first
    assert len(looks) == 1


def test_a_small_set_is_looked_through_every_time(task_folder, looks, cache) -> None:
    told(task_folder)
    told(task_folder)
    assert len(looks) == 2
    assert not (cache / "checks").exists()


@pytest.mark.usefixtures("large")
def test_a_changed_file_is_looked_at(task_folder, looks) -> None:
    told(task_folder)
    image = sorted((task_folder.root / "images").iterdir())[0]
    image.write_bytes(image.read_bytes()[:-20])
    with pytest.raises(UserError, match=image.name):
        told(task_folder)
    assert len(looks) == 2


@pytest.mark.usefixtures("large")
def test_what_is_wrong_is_refused_every_time(task_folder, looks) -> None:
    image = sorted((task_folder.root / "images").iterdir())[0]
    image.write_bytes(b"-")
    for _ in range(2):
        with pytest.raises(UserError, match=image.name):
            told(task_folder)
    assert len(looks) == 2


@pytest.mark.usefixtures("large")
def test_a_damaged_record_is_made_again(task_folder, looks, cache) -> None:
    told(task_folder)
    (record,) = (cache / "checks").glob("*.json")
    record.write_text("{")
    assert told(task_folder) == told(task_folder)
    assert len(looks) == 2
