from __future__ import annotations

import pytest
from torch import nn

import latency
from nas.deployment.file_latency import cpu_latency, device_latency

SHAPE = (1, 3, 8, 8)


@pytest.fixture
def path(tmp_path):
    return latency.export_onnx(nn.Conv2d(3, 4, 1), SHAPE, tmp_path / "small.onnx")


def test_a_device_that_onnxruntime_lacks_is_replaced_by_the_cpu_and_a_sentence_says_so(path):
    measured, (sentence,) = device_latency(path, SHAPE, "cuda:97")
    assert (measured.device.kind, measured.provider) == ("cpu", "CPUExecutionProvider")
    assert sentence.startswith("the latency was measured on the CPU, because device cuda:97 is not")


def test_the_cpu_needs_no_sentence_and_gives_no_warning(path, monkeypatch, recwarn):
    monkeypatch.setattr("latency.measuring.noise.INTERVAL_LIMIT", 1e-9)
    assert device_latency(path, SHAPE, "cpu")[1] == []
    assert cpu_latency(path, SHAPE).noisy
    assert list(recwarn) == []
