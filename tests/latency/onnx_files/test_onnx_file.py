from __future__ import annotations

from pathlib import Path

import onnx
import pytest

from latency import LatencyError
from latency.onnx_files.file import OnnxFile


@pytest.fixture
def open_file(onnx_file, tmp_path: Path) -> Path:
    model = onnx.load(onnx_file)
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "batch"
    path = tmp_path / "open.onnx"
    onnx.save(model, path)
    return path


def test_the_shape_is_that_of_the_file(onnx_file):
    file = OnnxFile.read(onnx_file)
    assert file.input_shape() == (1, 3, 24, 32)
    assert file.batch == 1


def test_another_shape_is_refused(onnx_file):
    with pytest.raises(LatencyError, match=r"takes inputs of shape \(1, 3, 24, 32\), not \(2, "):
        OnnxFile.read(onnx_file).input_shape((2, 3, 24, 32))


def test_an_open_batch_must_be_said(open_file):
    file = OnnxFile.read(open_file)
    assert file.batch is None
    assert file.input_shape((4, 3, 24, 32)) == (4, 3, 24, 32)
    with pytest.raises(LatencyError, match=r"\('batch', 3, 24, 32\) is not fixed"):
        file.input_shape()


def test_a_single_image_is_known_where_the_batch_alone_is_open(open_file, onnx_file, tmp_path):
    assert OnnxFile.read(open_file).one_image == (1, 3, 24, 32)
    assert OnnxFile.read(onnx_file).one_image is None
    model = onnx.load(open_file)
    model.graph.input[0].type.tensor_type.shape.dim[3].dim_param = "width"
    onnx.save(model, tmp_path / "wide.onnx")
    assert OnnxFile.read(tmp_path / "wide.onnx").one_image is None


def test_an_open_file_still_has_its_fixed_sizes(open_file):
    with pytest.raises(LatencyError, match="not "):
        OnnxFile.read(open_file).input_shape((4, 3, 24, 33))


def test_a_second_input_is_refused(onnx_file, tmp_path):
    model = onnx.load(onnx_file)
    extra = onnx.helper.make_tensor_value_info("mask", onnx.TensorProto.INT64, [1])
    model.graph.input.append(extra)
    path = tmp_path / "two.onnx"
    onnx.save(model, path)
    with pytest.raises(LatencyError, match="one float32 or uint8 input, found image FLOAT, mask"):
        OnnxFile.read(path)


def test_a_file_that_is_no_network_is_named(tmp_path):
    path = tmp_path / "broken.onnx"
    path.write_text("no network")
    with pytest.raises(LatencyError, match=r"broken\.onnx: this is no ONNX file"):
        OnnxFile.read(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(LatencyError, match=r"absent\.onnx: no such file"):
        OnnxFile.read(tmp_path / "absent.onnx")


def test_quantisation_nodes_make_a_file_int8(onnx_file, tmp_path):
    assert OnnxFile.read(onnx_file).precision == "float32"
    model = onnx.load(onnx_file)
    model.graph.node.append(onnx.helper.make_node("QuantizeLinear", ["a", "b", "c"], ["d"]))
    path = tmp_path / "int8.onnx"
    onnx.save(model, path)
    assert OnnxFile.read(path).precision == "int8"
