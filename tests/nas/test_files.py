from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from nas.files import replacing, write_json, write_text


def test_write_text_replaces_the_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "a long first version")
    write_text(path, "short")
    assert path.read_text() == "short"


def test_a_failure_keeps_the_earlier_file_and_leaves_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "first")
    with pytest.raises(RuntimeError, match="half way"), replacing(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError("half way")
    assert path.read_text() == "first"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_write_json_can_be_read_back(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"b": [1, 2.5]})
    assert json.loads((tmp_path / "a.json").read_text()) == {"b": [1, 2.5]}


def test_what_json_lacks_becomes_null(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"f1": {"eye": float("nan"), "nose": 0.5}, "losses": (1, float("inf"))})
    assert path.read_text().count("null") == 2
    assert json.loads(path.read_text()) == {"f1": {"eye": None, "nose": 0.5}, "losses": [1, None]}


def test_files_have_the_usual_permissions(tmp_path: Path) -> None:
    usual = tmp_path / "usual"
    usual.write_text("")
    write_text(tmp_path / "ours", "")
    mode = (tmp_path / "ours").stat().st_mode
    assert stat.S_IMODE(mode) == stat.S_IMODE(usual.stat().st_mode)
