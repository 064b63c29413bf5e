from __future__ import annotations

import pytest
from torch import nn

from latency import LatencyError, export_onnx
from latency.devices.device import Placement, parse_device
from latency.profiling.onnx_nodes import NodeTime, owners, profile_onnx, typical

CPU = Placement(parse_device("cpu"))


@pytest.fixture(autouse=True)
def _own_lock_folder(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


def node(name: str, kind: str, reads: str, gives: str) -> NodeTime:
    return NodeTime(name, kind, tuple(reads.split()), tuple(gives.split()), 1.0)


def test_the_nodes_that_run_are_told_with_their_times(onnx_file):
    nodes = profile_onnx(onnx_file, CPU, runs=5)
    kinds = [one.kind for one in nodes]
    # Activations and batch norm are fused; maps change their layout on the way.
    assert kinds.count("Conv") == 4
    assert "Relu" not in kinds and "Clip" not in kinds
    assert all(one.microseconds >= 0 for one in nodes)
    assert sum(one.microseconds for one in nodes) > 0


def test_an_open_input_is_refused(tmp_path):
    path = export_onnx(nn.Conv2d(3, 2, 1), (1, 3, 4, 4), tmp_path / "a.onnx", dynamic_batch=True)
    with pytest.raises(LatencyError, match="input 'image' is no float32 of fixed shape"):
        profile_onnx(path, CPU)


def test_slow_runs_do_not_count():
    assert typical([500.0] * 16 + [10.0] * 4) == 10.0
    assert typical([3.0]) == 3.0
    # The fastest of twenty is left out.
    assert typical([4.0, 5.0, 6.0, 1.0, *[9.0] * 16]) == 5.0


def test_a_change_of_layout_belongs_to_whom_it_is_made_for():
    nodes = [
        node("a", "Conv", "x", "1"),
        node("out", "ReorderOutput", "1", "2"),
        node("b", "ReduceMean", "2", "3"),
        node("in", "ReorderInput", "3", "4"),
        node("c", "Conv", "4", "5"),
        node("end", "ReorderOutput", "5", "y"),
        node("lost", "Reshape", "z", "w"),
    ]
    found = owners(nodes, {0: "a", 2: "b", 4: "c"})
    assert found == {0: "a", 1: "b", 2: "b", 3: "b", 4: "c", 5: "c"}


def test_changes_of_layout_in_a_row_have_one_owner():
    nodes = [
        node("in", "Reshape", "x", "1"),
        node("on", "Transpose", "1", "2"),
        node("a", "Add", "2", "y"),
    ]
    assert owners(nodes, {2: "a"}) == {0: "a", 1: "a", 2: "a"}
