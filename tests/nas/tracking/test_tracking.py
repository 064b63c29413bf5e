"""Trackers of a run: points once, and no failure that ends anything."""

from __future__ import annotations

import json
import struct
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

import nas.tracking
from nas.errors import UserError
from nas.tracking.registry import _TRACKERS
from nas.tracking.session import FOLDER, Tracking, check
from nas.training.trainer import EpochRecord


class Notes(nas.tracking.Tracker):
    """Keeps what it is told, and breaks where it is asked to."""

    name = "notes"
    told: list[tuple] = []
    broken: set[str] = set()

    def __init__(self, tracked):
        self._break("begin")
        self.told.append(("begin", tracked.name, tracked.known_as, dict(tracked.settings)))

    @property
    def identity(self) -> str:
        return "notebook 1"

    def point(self, step: int, figures: Mapping[str, float]) -> None:
        self._break("point")
        self.told.append((step, dict(figures)))

    def finish(self, figures: Mapping[str, float]) -> None:
        self._break("finish")
        self.told.append(("finish", dict(figures)))

    def _break(self, where: str) -> None:
        if where in self.broken:
            raise ConnectionError(f"the server\nis gone at {where}")


@pytest.fixture
def notes(monkeypatch):
    monkeypatch.setattr(Notes, "told", [])
    monkeypatch.setattr(Notes, "broken", set())
    monkeypatch.setitem(_TRACKERS._registered, "notes", Notes)
    return Notes


def test_points_come_once_even_when_a_run_goes_on(notes, tmp_path: Path) -> None:
    with Tracking(["notes"], "run", tmp_path, {"seed": 1}) as tracking:
        tracking.point(0, {"quality": 0.5})
        tracking.point(0, {"quality": 0.5})
        tracking.point(2, {"quality": 0.7, "cost": float("nan")})
    assert notes.told == [
        ("begin", "run", None, {"seed": 1}),
        (0, {"quality": 0.5}),
        (2, {"quality": 0.7}),
        ("finish", {}),
    ]
    notes.told.clear()
    with Tracking(["notes"], "run", tmp_path, {"seed": 1}) as tracking:
        for step in range(4):
            tracking.point(step, {"quality": step / 10})
        tracking.finish({"trials": 4})
    assert notes.told == [
        ("begin", "run", "notebook 1", {"seed": 1}),
        (1, {"quality": 0.1}),
        (3, {"quality": 0.3}),
        ("finish", {"trials": 4.0}),
    ]


def test_a_tracker_that_is_added_later_gets_all_points(notes, tmp_path: Path) -> None:
    with Tracking([], "run", tmp_path, {}) as tracking:
        tracking.point(0, {"quality": 0.5})
    with Tracking(["notes"], "run", tmp_path, {}) as tracking:
        tracking.point(0, {"quality": 0.5})
    assert (0, {"quality": 0.5}) in notes.told


@pytest.mark.parametrize(("where", "told"), [("begin", 0), ("point", 1), ("finish", 3)])
def test_one_that_fails_is_told_once_and_left_out(notes, tmp_path, where, told) -> None:
    notes.broken.add(where)
    said: list[str] = []
    with Tracking(["notes"], "run", tmp_path, {}, said.append) as tracking:
        tracking.point(0, {"quality": 0.5})
        tracking.point(1, {"quality": 0.6})
    assert said == [
        "the tracker notes fails and is left out from here on "
        f"(ConnectionError: the server is gone at {where})"
    ]
    assert len(notes.told) == told


def test_a_full_disk_ends_nothing(notes, tmp_path, monkeypatch) -> None:
    def full(path, record):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("nas.tracking.session.write_json", full)
    said: list[str] = []
    with Tracking(["notes"], "run", tmp_path, {}, said.append) as tracking:
        tracking.point(0, {"quality": 0.5})
    assert len(said) == 1 and "No space left on device" in said[0]


def test_a_damaged_state_is_told(notes, tmp_path) -> None:
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / "state.json").write_text("{")
    said: list[str] = []
    with Tracking(["notes"], "run", tmp_path, {}, said.append):
        pass
    assert len(said) == 1 and said[0].startswith("trackers begin anew: ")


def test_epochs_of_stages_are_told_apart(notes, tmp_path) -> None:
    seen = []
    with Tracking(["notes"], "run", tmp_path, {}) as tracking:
        listen = tracking.beside(lambda *told: seen.append(told[0]), staged=True)
        for stage in ("first", "second"):
            listen(stage, EpochRecord(0, 1.5, 0.5, True, {"accuracy": 0.5}, (), "accuracy"), 3)
    assert seen == ["first", "second"]
    assert notes.told[1:3] == [
        (0, {"first/train_loss": 1.5, "first/accuracy": 0.5}),
        (0, {"second/train_loss": 1.5, "second/accuracy": 0.5}),
    ]


def test_unknown_names_are_refused() -> None:
    with pytest.raises(UserError, match="there is no tracker 'tensorbord'"):
        check(["tensorbord"])
    with pytest.raises(UserError, match="there is no tracker 'tensorbord'"):
        nas.tracking.address("tensorbord")


def test_no_files_are_made_without_trackers(tmp_path: Path) -> None:
    with Tracking([], "run", tmp_path, {}) as tracking:
        tracking.point(0, {"quality": 1.0})
    assert not list(tmp_path.iterdir())


def test_tensorboard_is_read_back(tmp_path: Path) -> None:
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    for first in (0, 2):
        with Tracking(["tensorboard"], "run", tmp_path, {"trials": 4}) as tracking:
            for step in range(first + 2):
                tracking.point(step, {"quality": step / 4, "cost/params": 100.0 * step})
            tracking.finish({"trials": first + 2})
    events = reader.EventAccumulator(str(tmp_path / "trackers" / "tensorboard")).Reload()
    points = [(one.step, one.value) for one in events.Scalars("quality")]
    assert points == [(0, 0.0), (1, 0.25), (2, 0.5), (3, 0.75)]
    assert [one.value for one in events.Scalars("cost/params")] == [0.0, 100.0, 200.0, 300.0]
    assert [one.value for one in events.Scalars("final/trials")][-1] == 4.0
    (tag,) = events.Tags()["tensors"]
    assert "| trials | 4 |" in events.Tensors(tag)[0].tensor_proto.string_val[0].decode()


def test_mlflow_is_read_back(tmp_path: Path, monkeypatch) -> None:
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    for last in (2, 4):
        with Tracking(["mlflow"], "run", tmp_path, {"trials": 4}, pytest.fail) as tracking:
            for step in range(last):
                tracking.point(step, {"quality": step / 4, "mean/f1 (eyes)": 0.5})
            tracking.finish({"trials": last})
    client = mlflow.MlflowClient(f"sqlite:///{tmp_path / 'trackers' / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("nas")
    (run,) = client.search_runs([experiment.experiment_id])
    history = client.get_metric_history(run.info.run_id, "quality")
    assert sorted((one.step, one.value) for one in history) == [
        (0, 0.0),
        (1, 0.25),
        (2, 0.5),
        (3, 0.75),
    ]
    assert run.data.metrics["mean/f1 _eyes_"] == 0.5
    assert run.data.params == {"trials": "4"}
    assert (run.info.run_name, run.info.status) == ("run", "FINISHED")


def records_of(data: bytes) -> Iterator[bytes]:
    """The records of a small file in the log format of LevelDB, behind a header of seven bytes."""
    place = 7
    while place + 7 <= len(data):
        length, kind = struct.unpack_from("<HB", data, place + 4)
        assert kind == 1, "a record in several pieces"
        yield data[place + 7 : place + 7 + length]
        place += 7 + length


def test_wandb_is_read_back(tmp_path: Path, monkeypatch) -> None:
    wandb = pytest.importorskip("wandb")
    from wandb.proto import wandb_internal_pb2

    monkeypatch.delenv("WANDB_MODE", raising=False)
    with Tracking(["wandb"], "run", tmp_path, {"trials": 4}, pytest.fail) as tracking:
        for step in range(3):
            tracking.point(step, {"quality": step / 4})
        tracking.finish({"trials": 3})
    # Its service writes in a process of its own.
    wandb.teardown()
    (path,) = (tmp_path / "trackers" / "wandb").glob("offline-run-*/run-*.wandb")
    points = []
    for data in records_of(path.read_bytes()):
        record = wandb_internal_pb2.Record()
        record.ParseFromString(data)
        if record.HasField("history"):
            items = {
                one.key or "/".join(one.nested_key): json.loads(one.value_json)
                for one in record.history.item
            }
            points.append((items["step"], items["quality"]))
    assert points == [(0, 0.0), (1, 0.25), (2, 0.5)]


@pytest.mark.parametrize(
    ("name", "package"),
    [
        ("tensorboard", "torch.utils.tensorboard"),
        ("mlflow", "mlflow"),
        ("wandb", "wandb"),
    ],
)
def test_a_missing_package_is_told_with_its_extra(name, package, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.delitem(sys.modules, f"nas.tracking.{name}", raising=False)
    with pytest.raises(UserError, match=rf"pip install 'nas-toolkit\[{name}\]'"):
        check([name])
