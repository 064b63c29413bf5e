from __future__ import annotations

import collections
import json

import numpy as np
import onnx
import pytest
from torch import nn

from latency import (
    ExportError,
    LatencyError,
    compare_quantised,
    export_onnx,
    measure_onnx,
    predictor,
    quantise_onnx,
    signal_to_noise,
)

SIZE = (3, 24, 32)


def images(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, *SIZE), dtype=np.float32)


@pytest.fixture
def int8_file(onnx_file, tmp_path):
    return quantise_onnx(onnx_file, images(8), tmp_path / "new" / "int8.onnx")


def test_int8_computes_nearly_the_same_on_other_images(onnx_file, int8_file):
    other = images(4, seed=1)
    expected, found = predictor(onnx_file)(other), predictor(int8_file)(other)
    assert found.shape == expected.shape == (4, 5, 24, 32)
    assert 20 < signal_to_noise(expected, found) < 60
    assert (expected.argmax(1) == found.argmax(1)).mean() > 0.9


def test_weights_and_activations_are_of_eight_bits(int8_file):
    model = onnx.load(int8_file)
    kinds = collections.Counter(node.op_type for node in model.graph.node)
    assert kinds["Conv"] == 4
    assert kinds["QuantizeLinear"] >= 4
    weights = [tensor for tensor in model.graph.initializer if len(tensor.dims) == 4]
    assert {tensor.data_type for tensor in weights} == {onnx.TensorProto.INT8}
    assert len(weights) == 4


def test_weights_use_seven_bits_so_that_no_sum_overflows(int8_file):
    tensors = onnx.load(int8_file).graph.initializer
    weights = [onnx.numpy_helper.to_array(tensor) for tensor in tensors if len(tensor.dims) == 4]
    assert max(np.abs(weight).max() for weight in weights) <= 64


def test_one_file_appears_and_nothing_is_printed(onnx_file, tmp_path, capfd, caplog, recwarn):
    path = quantise_onnx(onnx_file, images(2), tmp_path / "new" / "int8.onnx")
    assert [entry.name for entry in path.parent.iterdir()] == ["int8.onnx"]
    assert capfd.readouterr() == ("", "")
    assert caplog.records == []
    assert list(recwarn) == []


@pytest.mark.filterwarnings("ignore::latency.NoiseWarning")
def test_an_int8_latency_is_of_another_device(onnx_file, int8_file):
    first, second = (measure_onnx(path, runs=20, attempts=1) for path in (onnx_file, int8_file))
    assert (first.device.precision, second.device.precision) == ("float32", "int8")
    assert first.fingerprint != second.fingerprint


@pytest.mark.filterwarnings("ignore::latency.NoiseWarning")
def test_both_are_compared_by_the_callers_accuracy(onnx_file, int8_file):
    data = images(4, seed=1)
    truth = predictor(onnx_file)(data).argmax(1)
    found = compare_quantised(
        onnx_file, int8_file, data, lambda predict: float((predict(data).argmax(1) == truth).mean())
    )
    assert found.float32.accuracy == 1.0
    assert 0.9 < found.int8.accuracy < 1.0
    assert found.decibels > 20
    assert found.int8.size == int8_file.stat().st_size
    assert found.speedup == found.float32.latency.median_ms / found.int8.latency.median_ms
    record = json.loads(json.dumps(found.to_dict()))
    assert record["int8"]["latency"]["device"]["precision"] == "int8"


def test_an_open_batch_is_quantised_and_stays_open(segmenter, tmp_path):
    path = export_onnx(segmenter, (1, *SIZE), tmp_path / "open.onnx", dynamic_batch=True)
    quantised = quantise_onnx(path, images(3), tmp_path / "int8.onnx")
    assert predictor(quantised)(images(5)).shape == (5, 5, 24, 32)


def test_a_fixed_batch_takes_multiples_of_it(segmenter, tmp_path):
    path = export_onnx(segmenter, (2, *SIZE), tmp_path / "two.onnx")
    assert predictor(path)(images(4)).shape == (4, 5, 24, 32)
    with pytest.raises(LatencyError, match="5 images are no multiple of 2"):
        quantise_onnx(path, images(5), tmp_path / "int8.onnx")


def test_calibration_on_images_of_another_kind_is_found_out(onnx_file, tmp_path, monkeypatch):
    monkeypatch.setattr("latency.exporting.int8.MINIMUM_DECIBELS", 100.0)
    with pytest.raises(ExportError, match=r"dB above their error, less than 100 dB: calibrate"):
        quantise_onnx(onnx_file, images(2), tmp_path / "int8.onnx")
    assert not (tmp_path / "int8.onnx").exists()


def test_a_network_that_gives_nan_is_found_out(segmenter, tmp_path):
    nn.init.constant_(segmenter.classifier.bias, float("nan"))
    path = export_onnx(segmenter, (1, *SIZE), tmp_path / "nan.onnx")
    with pytest.raises(ExportError, match="it gives NaN or infinity for the calibration images"):
        quantise_onnx(path, images(2), tmp_path / "int8.onnx")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (np.zeros((2, 3, 24, 33), np.float32), r"takes inputs of shape .* not \(1, 3, 24, 33\)"),
        (np.zeros((2, *SIZE)), "images are float64"),
        (np.zeros(SIZE, np.float32), r"of shape \(3, 24, 32\): give float32 of shape N, C, H, W"),
        (np.zeros((0, *SIZE), np.float32), "at least one"),
    ],
)
def test_images_that_do_not_fit_are_refused(onnx_file, tmp_path, wrong, message):
    with pytest.raises(LatencyError, match=message):
        quantise_onnx(onnx_file, wrong, tmp_path / "int8.onnx")


def test_int8_is_not_quantised_again(int8_file, tmp_path):
    with pytest.raises(LatencyError, match=r"int8\.onnx: it is int8 already"):
        quantise_onnx(int8_file, images(2), tmp_path / "again.onnx")


def test_decibels_compare_powers():
    assert signal_to_noise(np.full(4, 10.0), np.full(4, 11.0)) == pytest.approx(20.0)
    assert signal_to_noise(np.ones(4), np.ones(4)) == float("inf")
