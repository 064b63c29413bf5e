"""The engines of GPUs with CUDA replaced, as few machines have one."""

from __future__ import annotations

import contextlib

import numpy as np
import onnxruntime
import pytest
import torch

from latency import Device, LatencyError, create_engine
from latency.devices.device import Placement
from latency.engines.eager import OnDevice

SHAPE = (1, 3, 24, 32)
PLACEMENT = Placement(Device("cuda", 1))


class FakeStream:
    cuda_stream = 4242

    def __init__(self, log):
        self.log = log

    def synchronize(self):
        self.log.append("wait")


class FakeGraph:
    def __init__(self, log):
        self.log = log

    def replay(self):
        self.log.append("replay")


@pytest.fixture
def log():
    return []


@pytest.fixture
def cuda_graphs(monkeypatch, log):
    @contextlib.contextmanager
    def on_device(model, input_shape, placement):
        yield OnDevice(lambda _: log.append("forward"), torch.zeros(1), None, FakeStream(log))

    @contextlib.contextmanager
    def capture(graph, stream):
        log.append("capture")
        yield
        log.append("captured")

    monkeypatch.setattr("latency.engines.cuda_graphs.on_device", on_device)
    monkeypatch.setattr(torch.cuda, "CUDAGraph", lambda: FakeGraph(log))
    monkeypatch.setattr(torch.cuda, "graph", capture)


@pytest.mark.usefixtures("cuda_graphs")
def test_a_graph_is_captured_once_and_replayed(segmenter, log):
    with create_engine("cuda-graphs").prepare(segmenter, SHAPE, PLACEMENT) as prepared:
        assert log == ["forward"] * 3 + ["wait", "capture", "forward", "captured"]
        log.clear()
        prepared.run()
        prepared.run()
    assert log == ["replay", "wait"] * 2
    assert prepared.provider == "CUDA graph"


@pytest.mark.usefixtures("cuda_graphs")
def test_what_cannot_be_captured_is_told_in_one_sentence(segmenter, monkeypatch):
    def refuse(graph, stream):
        raise RuntimeError("operation not permitted when stream is capturing\nmore")

    monkeypatch.setattr(torch.cuda, "graph", refuse)
    with (
        pytest.raises(LatencyError, match=r"graph \(operation not permitted when .* capturing\)"),
        create_engine("cuda-graphs").prepare(segmenter, SHAPE, PLACEMENT),
    ):
        pass


class FakeBinding:
    def __init__(self, log):
        self.log = log

    def bind_ortvalue_input(self, name, value):
        self.log.append(("input", name, value))

    def bind_output(self, name, kind, index):
        self.log.append(("output", name, kind, index))

    def synchronize_outputs(self):
        self.log.append("wait")


class FakeSession:
    def __init__(self, session, provider, log):
        self.session = session
        self.provider = provider
        self.log = log
        self.get_inputs, self.get_outputs = session.get_inputs, session.get_outputs

    def get_providers(self):
        return [self.provider.name]

    def io_binding(self):
        return FakeBinding(self.log)

    def run_with_iobinding(self, _binding):
        self.log.append("run")


@pytest.fixture
def gpu(monkeypatch, onnx_file, log):
    """A GPU for onnxruntime; gives the providers that were asked for."""
    session = onnxruntime.InferenceSession(str(onnx_file), providers=["CPUExecutionProvider"])
    providers = []

    @contextlib.contextmanager
    def on_stream(device):
        assert device == Device("cuda", 1)
        yield FakeStream(log)

    def open_on(provider, path, placement):
        assert (path, placement) == (onnx_file, PLACEMENT)
        providers.append(provider)
        return FakeSession(session, provider, log)

    def on_gpu(image, kind, index):
        assert image.dtype == np.float32
        return image.shape, kind, index

    for engine in ("onnx_runtime", "tensorrt"):
        monkeypatch.setattr(f"latency.engines.{engine}.on_stream", on_stream)
        monkeypatch.setattr(f"latency.engines.{engine}.open_on", open_on)
    monkeypatch.setattr(onnxruntime.OrtValue, "ortvalue_from_numpy", on_gpu)
    return providers


@pytest.mark.parametrize(
    ("engine", "provider"),
    [("onnxruntime", "CUDAExecutionProvider"), ("tensorrt", "TensorrtExecutionProvider")],
)
def test_tensors_stay_on_the_gpu(onnx_file, gpu, log, engine, provider):
    with create_engine(engine).prepare(onnx_file, SHAPE, PLACEMENT) as prepared:
        assert log == [("input", "image", (SHAPE, "cuda", 1)), ("output", "logits", "cuda", 1)]
        log.clear()
        prepared.run()
    assert log == ["run", "wait"]
    assert prepared.provider == provider
    assert prepared.clock.name == "cuda"


@pytest.mark.parametrize("engine", ["onnxruntime", "tensorrt"])
def test_work_goes_to_the_stream_that_is_timed(onnx_file, gpu, engine):
    with create_engine(engine).prepare(onnx_file, SHAPE, PLACEMENT):
        pass
    (provider,) = gpu
    assert provider.options["user_compute_stream"] == "4242"
    assert provider.options["device_id"] == 1


def test_tensorrt_stays_in_float32(onnx_file, gpu):
    with create_engine("tensorrt").prepare(onnx_file, SHAPE, PLACEMENT):
        pass
    assert gpu[0].options["trt_fp16_enable"] == "False"
