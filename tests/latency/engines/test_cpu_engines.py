from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from latency import Device, LatencyError, create_engine, engine_names, measure
from latency.devices.device import Placement
from latency.engines import ENGINES, predictable_engines, register
from latency.engines.eager import Eager
from latency.engines.engine import noise_image

SHAPE = (1, 3, 24, 32)


class Spy(nn.Module):
    """Notes how it is run."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 1)
        self.seen: list[tuple] = []

    def __deepcopy__(self, memo):
        copied = Spy()
        copied.seen = self.seen
        return copied

    def forward(self, image):
        kind = image.is_contiguous(memory_format=torch.channels_last)
        grad = torch.is_inference_mode_enabled()
        self.seen.append((torch.get_num_threads(), self.training, kind, grad))
        return self.conv(image)


@pytest.mark.parametrize("name", engine_names())
def test_every_engine_says_what_stands_in_for_it_and_beside_it(name):
    engine = create_engine(name)
    assert engine.name == name
    assert create_engine(engine.on_cpu).takes_onnx == engine.takes_onnx
    assert create_engine(engine.reference).takes_onnx == engine.takes_onnx


def test_pytorch_runs_once_per_call_with_the_threads_asked_for():
    network = Spy().train()
    threads = torch.get_num_threads()
    placement = Placement(Device("cpu"), threads=threads + 1)
    with create_engine("torch").prepare(network, SHAPE, placement) as prepared:
        assert network.seen == []
        prepared.run()
        assert network.seen == [(threads + 1, False, True, True)]
    assert prepared.provider == "torch eager"
    assert torch.get_num_threads() == threads
    assert network.training
    assert not torch.is_inference_mode_enabled()


def test_onnxruntime_runs_the_file(onnx_file):
    with create_engine("onnxruntime").prepare(
        onnx_file, SHAPE, Placement(Device("cpu"))
    ) as prepared:
        (logits,) = prepared.run()
    assert logits.shape == (1, 5, 24, 32)
    assert prepared.provider == "CPUExecutionProvider"


def test_a_network_is_compiled_as_a_whole(segmenter, monkeypatch):
    compiled = []

    def fake_compile(network, **options):
        compiled.append((network, options))
        return network

    monkeypatch.setattr(torch, "compile", fake_compile)
    with create_engine("torch.compile").prepare(
        segmenter, SHAPE, Placement(Device("cpu"))
    ) as prepared:
        prepared.run()
    ((network, options),) = compiled
    assert options == {"dynamic": False, "fullgraph": True}
    image = torch.from_numpy(noise_image(SHAPE))
    assert torch.allclose(network(image), segmenter.eval()(image), atol=1e-6)


def test_a_network_that_cannot_be_compiled_is_told_in_one_sentence(segmenter, monkeypatch):
    def fail(_image):
        raise torch._dynamo.exc.InternalTorchDynamoError("no compiler\nand much more")

    monkeypatch.setattr(torch, "compile", lambda network, **_: fail)
    engine = create_engine("torch.compile")
    with (
        pytest.raises(LatencyError, match=r"cannot compile the network \(no compiler\)"),
        engine.prepare(segmenter, SHAPE, Placement(Device("cpu"))),
    ):
        pass


@pytest.mark.parametrize("name", ["torch", "torch.compile"])
def test_engines_of_pytorch_need_a_network(onnx_file, name):
    with (
        pytest.raises(LatencyError, match=f"the engine {name} runs networks of PyTorch"),
        create_engine(name).prepare(onnx_file, SHAPE, Placement(Device("cpu"))),
    ):
        pass


def test_onnxruntime_needs_a_file(segmenter):
    with (
        pytest.raises(LatencyError, match="the engine onnxruntime runs ONNX files"),
        create_engine("onnxruntime").prepare(segmenter, SHAPE, Placement(Device("cpu"))),
    ):
        pass


def test_an_unknown_engine_is_refused():
    with pytest.raises(LatencyError, match="no engine 'tvm'; choose one of onnxruntime, tensorrt"):
        create_engine("tvm")


OWN_ENGINE = """
from latency.engines.eager import Eager


class Own(Eager):
    name = "own"
    on_cpu = "torch"
"""


@pytest.mark.filterwarnings("ignore::latency.NoiseWarning")
def test_an_engine_of_ones_own_measures_by_its_import_path(tmp_path, segmenter):
    file = tmp_path / "own_engine.py"
    file.write_text(OWN_ENGINE)
    found = measure(segmenter, SHAPE, engine=f"{file}:Own", runs=20, attempts=1)
    assert found.device.engine == "own"
    assert found.provider == "torch eager"


def test_a_registered_engine_is_known_by_its_name(monkeypatch):
    monkeypatch.setattr(ENGINES, "_registered", {})

    @register
    class Renamed(Eager):
        name = "renamed"
        predictable = False

    assert engine_names()[-1] == "renamed"
    assert isinstance(create_engine("renamed"), Renamed)
    assert "renamed" not in predictable_engines()


def test_an_engine_has_to_say_what_it_takes():
    class Half:
        name = "half"

        def prepare(self, source, input_shape, placement):
            raise NotImplementedError

    with pytest.raises(ValueError, match="must have the class attribute 'takes_onnx', a bool"):
        register(Half)


def test_latencies_can_be_predicted_where_operators_run_one_by_one():
    assert predictable_engines() == ("onnxruntime", "torch", "cuda-graphs")


def test_the_input_is_the_same_noise_every_time():
    assert np.array_equal(noise_image(SHAPE), noise_image(SHAPE))
    assert noise_image(SHAPE).dtype == np.float32
    assert 0.9 < noise_image(SHAPE).std() < 1.1
