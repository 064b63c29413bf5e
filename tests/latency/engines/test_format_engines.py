"""Engines that run what a format makes of a network."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

from latency import (
    Device,
    LatencyError,
    UnavailableError,
    create_engine,
    identify,
    measure_onnx,
    quantise_onnx,
)
from latency.devices.device import Placement
from latency.engines.engine import noise_image

SHAPE = (1, 3, 24, 32)
MODULES = {"openvino": "openvino", "litert": "litert_torch", "executorch": "executorch"}


@pytest.mark.parametrize("name", MODULES)
def test_a_network_of_pytorch_runs(name, segmenter):
    if importlib.util.find_spec(MODULES[name]) is None:
        pytest.skip(f"{MODULES[name]} is not installed")
    source = segmenter.eval()
    with create_engine(name).prepare(source, SHAPE, Placement(Device("cpu"))) as prepared:
        assert prepared.run().shape == (1, 5, 24, 32)
    assert prepared.clock.name in ("thread", "wall")


@pytest.mark.filterwarnings("ignore::latency.NoiseWarning")
def test_openvino_runs_onnx_files(onnx_file):
    pytest.importorskip("openvino")
    found = measure_onnx(onnx_file, engine="openvino", runs=20, attempts=1)
    assert found.provider == "OpenVINO"
    assert f"openvino {found.device.runtime}" in found.device.key


def test_openvino_refuses_int8_which_can_crash_it(onnx_file, tmp_path):
    images = np.random.default_rng(0).standard_normal((4, *SHAPE[1:]), dtype=np.float32)
    quantised = quantise_onnx(onnx_file, images, tmp_path / "int8.onnx")
    with (
        pytest.raises(LatencyError, match="runs float32 files alone; use onnxruntime for int8"),
        create_engine("openvino").prepare(quantised, SHAPE, Placement(Device("cpu"))),
    ):
        pass


def test_other_engines_refuse_onnx_files(onnx_file):
    with pytest.raises(LatencyError, match="the engine litert does not run ONNX files"):
        measure_onnx(onnx_file, engine="litert")
    with (
        pytest.raises(LatencyError, match=r"runs networks of PyTorch and \.pte files; use onnxrun"),
        create_engine("executorch").prepare(onnx_file, SHAPE, Placement(Device("cpu"))),
    ):
        pass


@pytest.mark.parametrize("name", MODULES)
def test_they_run_on_the_cpu_only(name, segmenter):
    with (
        pytest.raises(UnavailableError, match=f"the engine {name} runs on the CPU only"),
        create_engine(name).prepare(segmenter, SHAPE, Placement(Device("cuda"))),
    ):
        pass


def test_the_version_of_an_engine_tells_latencies_apart(monkeypatch):
    keys = []
    for number in ("1.0", "2.0"):
        monkeypatch.setattr("latency.devices.identity.version", lambda _, number=number: number)
        keys.append(identify("cpu", engine="openvino").key)
    assert "openvino 1.0" in keys[0] and "openvino 2.0" in keys[1]
    assert "torch" in identify("cpu", engine="torch").key


def test_noise_is_of_the_number_format_that_is_taken():
    found = noise_image((1, 8, 8, 3), "uint8")
    assert found.dtype == np.uint8 and found.min() < 50 and found.max() > 200
