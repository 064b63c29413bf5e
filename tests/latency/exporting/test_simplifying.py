from __future__ import annotations

import warnings

import onnx
import pytest
import torch

from latency import ExportError, LatencyError, check_onnx, simplify_onnx

SHAPE = (1, 3, 24, 32)


@pytest.fixture
def traced(segmenter, tmp_path):
    """A file as the exporter of PyTorch leaves it."""
    path = tmp_path / "traced.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            segmenter.eval(), (torch.zeros(SHAPE),), path, dynamo=False, do_constant_folding=False
        )
    return path


def nodes(path) -> int:
    return len(onnx.load(path).graph.node)


def test_a_simplified_file_has_fewer_nodes_and_computes_the_same(segmenter, traced, tmp_path):
    simple = simplify_onnx(traced, tmp_path / "new" / "simple.onnx")
    assert nodes(simple) == 10 < nodes(traced)
    assert check_onnx(segmenter, simple, SHAPE) < 1e-5


def test_a_file_may_be_simplified_in_place(segmenter, traced):
    assert simplify_onnx(traced, traced) == traced
    assert nodes(traced) == 10
    assert [path.name for path in traced.parent.iterdir()] == ["traced.onnx"]


def test_an_export_is_simple_already(onnx_file, tmp_path):
    simple = simplify_onnx(onnx_file, tmp_path / "simple.onnx")
    assert nodes(simple) == nodes(onnx_file)


def test_other_outputs_are_an_error(traced, tmp_path, monkeypatch):
    from latency.exporting import simplifying

    outputs = simplifying._outputs

    def disturbed(path, image):
        factor = 1.01 if path.name == "simple.onnx" else 1.0
        return [factor * output for output in outputs(path, image)]

    monkeypatch.setattr(simplifying, "_outputs", disturbed)
    with pytest.raises(ExportError, match="simplified, its outputs differ by up to"):
        simplify_onnx(traced, tmp_path / "out.onnx")
    assert not (tmp_path / "out.onnx").exists()


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(LatencyError, match=r"absent\.onnx: no such file"):
        simplify_onnx(tmp_path / "absent.onnx", tmp_path / "out.onnx")
