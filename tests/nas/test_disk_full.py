"""Every writer on a disk that is full: one sentence, and nothing half-written."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
import torch
from torch import nn

from nas.deployment.onnx_export import ExportOptions, write_onnx
from nas.files import DiskFullError, is_disk_full, naming_full_disks, write_json, write_text
from nas.kinds.cache import cached_tensors
from nas.models.weights import save_tensors
from nas.pareto.figures import new_figure, save
from nas.pareto.table import write_csv
from nas.searching.reading import load_config
from nas.searching.run_folder import RunFolder
from nas.tasks.faces.cache import read_arrays, write_arrays
from nas.training.checkpoint import load_checkpoint, save_checkpoint

ROOM = 1000


def _wide() -> nn.Module:
    return nn.Conv2d(3, 200, 3)


WRITERS = {
    "text": lambda path: write_text(path, "x" * 5000),
    "json": lambda path: write_json(path, ["x"] * 5000),
    "table": lambda path: write_csv(path, [{"a": "x" * 5000}]),
    "checkpoint": lambda path: save_checkpoint({"a": torch.zeros(5000)}, path),
    "weights": lambda path: save_tensors(_wide(), path),
    "features": lambda path: cached_tensors(path, lambda: {"a": torch.zeros(5000)}),
    "picture": lambda path: save(new_figure(), path.with_suffix(""), ("png",)),
    "onnx": lambda path: write_onnx(_wide().eval(), (1, 3, 8, 8), path, ExportOptions(), {}),
}
SUFFIXES = {"picture": ".png", "onnx": ".onnx"}


@pytest.mark.parametrize("earlier", [False, True], ids=["new", "earlier"])
@pytest.mark.parametrize("writer", WRITERS)
def test_a_full_disk_is_one_sentence_and_no_half_file(tmp_path, full_disk, writer, earlier):
    path = tmp_path / f"result{SUFFIXES.get(writer, '')}"
    # A cache whose file is damaged is made again.
    if earlier:
        path.write_bytes(b"earlier")
    with full_disk(ROOM), pytest.raises(DiskFullError) as refused:
        WRITERS[writer](path)
    assert str(refused.value) == f"disk full: {path}; make room, then continue."
    left = [one.name for one in tmp_path.iterdir() if one.suffix not in (".lock", ".data")]
    assert left == ([path.name] if earlier else [])
    assert not earlier or path.read_bytes() == b"earlier"


@pytest.mark.parametrize("writer", WRITERS)
def test_once_there_is_room_the_same_call_does_it(tmp_path, full_disk, writer):
    path = tmp_path / f"result{SUFFIXES.get(writer, '')}"
    with full_disk(ROOM), pytest.raises(DiskFullError):
        WRITERS[writer](path)
    WRITERS[writer](path)
    assert path.stat().st_size > ROOM


def test_a_run_folder_that_does_not_fit_is_not_left_behind(tmp_path, full_disk):
    with full_disk(10), pytest.raises(DiskFullError, match=r"^disk full: .*/run/run\.json; make"):
        RunFolder.create(tmp_path / "run", load_config(None, {}))
    assert not (tmp_path / "run").exists()
    RunFolder.create(tmp_path / "run", load_config(None, {}))


def test_faces_that_do_not_fit_into_the_cache_are_not_needed(tmp_path, full_disk, caplog):
    with full_disk(ROOM):
        write_arrays(tmp_path / "faces.npz", {"images": torch.zeros(5000).numpy()})
    assert not list(tmp_path.iterdir())
    assert "the faces are not kept" in caplog.text


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 and no more"])
def test_damaged_faces_are_drawn_again(tmp_path, content):
    (tmp_path / "faces.npz").write_bytes(content)
    assert read_arrays(tmp_path / "faces.npz", ("images",)) is None


@pytest.mark.parametrize("kept", [0, 10, 500])
def test_a_feature_cache_that_was_cut_short_is_made_again(tmp_path, kept):
    path = tmp_path / "features.safetensors"
    cached_tensors(path, lambda: {"a": torch.arange(1000.0)})
    path.write_bytes(path.read_bytes()[:kept])
    again = cached_tensors(path, lambda: {"a": torch.arange(1000.0)})
    assert torch.equal(again["a"], torch.arange(1000.0))
    assert path.stat().st_size > 4000


@pytest.mark.parametrize("kept", [0, 10, 500])
def test_a_checkpoint_that_was_cut_short_is_a_sentence(tmp_path, kept):
    path = tmp_path / "a.pt"
    save_checkpoint({"a": torch.zeros(1000)}, path)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(Exception, match="cannot be read; delete it to begin this training again"):
        load_checkpoint(path)


def test_a_database_without_room_is_named(tmp_path, full_disk):
    connection = sqlite3.connect(tmp_path / "a.db")
    connection.execute("PRAGMA max_page_count=2")
    connection.execute("CREATE TABLE t (a)")
    with pytest.raises(DiskFullError, match="disk full: study"), naming_full_disks(Path("study")):
        connection.execute("INSERT INTO t VALUES (zeroblob(100000))")
    connection.close()


@pytest.mark.parametrize(
    "error", [OSError(13, "Permission denied"), ValueError("disk"), KeyError()]
)
def test_other_errors_stay_as_they_are(error):
    assert not is_disk_full(error)
    with pytest.raises(type(error)), naming_full_disks(Path("a")):
        raise error


def test_a_link_is_replaced_and_not_followed(tmp_path):
    (tmp_path / "victim").write_text("mine")
    (tmp_path / "front.png").symlink_to(tmp_path / "victim")
    save(new_figure(), tmp_path / "front", ("png",))
    assert (tmp_path / "victim").read_text() == "mine"
    assert (tmp_path / "front.png").read_bytes().startswith(b"\x89PNG")
