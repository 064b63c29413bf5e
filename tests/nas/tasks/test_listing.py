from __future__ import annotations

import os
import unicodedata
from collections import Counter
from pathlib import Path

import pytest

from nas.tasks.listing import below, image_files

JPG = {".jpg"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.jpg", "b.JPG", "c.heic", "d", ".e.jpg", "Thumbs.db", ".DS_Store", "._a.jpg"):
        (tmp_path / name).touch()
    (tmp_path / "gone.jpg").symlink_to("/nowhere/x.jpg")
    os.mkfifo(tmp_path / "pipe.jpg")
    return tmp_path


def test_what_is_passed_over_is_told_by_suffix_and_number(folder) -> None:
    found = image_files(folder, JPG, within=True)
    assert [path.name for path in found.files] == ["a.jpg", "b.JPG"]
    assert found.passed_over == Counter(
        {".heic": 1, "without a suffix": 1, "broken links": 1, "special files": 1}
    )
    (clause,) = found.notes()
    assert "1 .heic" in clause
    assert "convert HEIC files" in clause


@pytest.mark.parametrize(
    "name",
    [".ipynb_checkpoints", ".Trash-1000", "__MACOSX", "@eaDir", "$RECYCLE.BIN", "lost+found"],
)
def test_folders_of_systems_and_tools_are_never_entered(tmp_path, name: str) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / name / "a.jpg").touch()
    found = image_files(tmp_path, JPG, within=True)
    assert not found.files
    assert found.passed_over == {"hidden or system folders": 1}


def test_folders_within_are_taken_in_and_told(tmp_path) -> None:
    (tmp_path / "thumbs" / "deep").mkdir(parents=True)
    (tmp_path / "thumbs" / "deep" / "a.jpg").touch()
    found = image_files(tmp_path, JPG, within=True)
    assert len(found.files) == 1
    assert found.notes() == ["took in the folders within it: 1 thumbs"]
    flat = image_files(tmp_path, JPG, within=False)
    assert not flat.files
    assert flat.passed_over == {"folders": 1}


def test_links_are_followed_once(tmp_path) -> None:
    (tmp_path / "far").mkdir()
    (tmp_path / "far" / "a.jpg").touch()
    near = tmp_path / "near"
    near.mkdir()
    (near / "batch").symlink_to(tmp_path / "far")
    (tmp_path / "far" / "circle").symlink_to(near)
    found = image_files(near, JPG, within=True)
    assert [path.relative_to(near).as_posix() for path in found.files] == ["batch/a.jpg"]


def test_names_are_ordered_as_one_system_would(tmp_path) -> None:
    names = ["z.jpg", "é.jpg", "e.jpg"]
    for name in names:
        (tmp_path / unicodedata.normalize("NFD", name)).touch()
    found = image_files(tmp_path, JPG, within=False).files
    assert [unicodedata.normalize("NFC", path.name) for path in found] == [
        "e.jpg",
        "z.jpg",
        "é.jpg",
    ]


def test_backslashes_are_read_where_nothing_else_is_meant(tmp_path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b.txt").touch()
    assert below(tmp_path, "a\\b.txt") == tmp_path / "a" / "b.txt"
    (tmp_path / "a\\b.txt").touch()
    assert below(tmp_path, "a\\b.txt") == tmp_path / "a\\b.txt"
