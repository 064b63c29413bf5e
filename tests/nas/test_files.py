from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from nas.errors import UserError
from nas.files import read_json, read_text, replacing, write_json, write_text


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


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_text_of_any_system_is_read_alike(tmp_path: Path, codec: str, end: str) -> None:
    path = tmp_path / "list.txt"
    path.write_bytes(end.join(["Küche", "日本", ""]).encode(codec))
    assert read_text(path) == "Küche\n日本\n"


def test_text_in_another_encoding_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_bytes(b"one\n" + "Küche\n".encode("latin-1"))
    with pytest.raises(UserError, match="line 2 is not text in UTF-8; save the file as UTF-8"):
        read_text(path)


def test_utf_16_without_its_mark_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_bytes("one\n".encode("utf-16-le"))
    with pytest.raises(UserError, match="zero bytes"):
        read_text(path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none\.txt: no such file"):
        read_text(tmp_path / "none.txt")


def test_a_file_that_is_no_json_is_named(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_text('{"study": ')
    with pytest.raises(UserError, match=r"run\.json: not a JSON file"):
        read_json(path)


@pytest.mark.parametrize("name", ["a\0b", "\ud800"])
def test_a_name_that_no_file_can_have_is_one_sentence(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match="no file can have this name"):
        read_text(tmp_path / name)
