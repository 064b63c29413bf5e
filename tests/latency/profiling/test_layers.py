from __future__ import annotations

import time

import onnx
import pytest
import torch
from torch import nn

from latency.devices.device import Placement, parse_device
from latency.profiling.eager_layers import eager_layers
from latency.profiling.layers import (
    LayerTime,
    grouped,
    measured_layers,
    measured_layers_of_onnx,
    predicted_layers,
    scaled,
)
from latency.tracing.forward_pass import trace_by_module
from latency.tracing.operators import operators_of

CPU = Placement(parse_device("cpu"))
SHAPE = (1, 3, 24, 32)


@pytest.fixture(autouse=True)
def _own_lock_folder(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


class Waits(nn.Module):
    """Computes for so many milliseconds."""

    def __init__(self, ms: float) -> None:
        super().__init__()
        self.ms = ms

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        end = time.thread_time() + self.ms / 1000
        while time.thread_time() < end:
            pass
        return image


class Nested(nn.Module):
    """Works itself, and has a child that works longer."""

    def __init__(self) -> None:
        super().__init__()
        self.child = Waits(4.0)
        self.twice = nn.Sequential(Waits(1.0), Waits(1.0))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        Waits(2.0)(image)
        return self.twice(self.child(image))


def test_every_layer_is_named_after_its_first_module(segmenter):
    layers = measured_layers(segmenter, SHAPE, CPU)
    assert {(layer.path, layer.kind) for layer in layers} == {
        ("stem.0", "conv2d batch_norm hardtanh"),
        ("", "adaptive_avg_pool2d"),
        ("context", "conv2d"),
        ("", "interpolate"),
        ("depthwise", "conv2d batch_norm relu"),
        ("", "add"),
        ("classifier", "conv2d"),
    }
    assert sum(layer.macs or 0 for layer in layers) == trace_by_module(segmenter, SHAPE).macs
    assert all(layer.ms >= 0 for layer in layers)


def test_measured_layers_are_the_operators_of_the_network(segmenter):
    operators = operators_of(trace_by_module(segmenter, SHAPE))
    layers = measured_layers(segmenter, SHAPE, CPU)
    assert sorted((one.path, one.kind) for one in operators) == sorted(
        (layer.path, layer.kind) for layer in layers
    )


def test_the_model_is_left_as_it_was(segmenter):
    segmenter.train()
    measured_layers(segmenter, SHAPE, CPU)
    eager_layers(segmenter, SHAPE, CPU, runs=2)
    assert all(module.training for module in segmenter.modules())
    assert not any(module._forward_hooks for module in segmenter.modules())


def test_a_file_of_ours_tells_its_modules(onnx_file):
    paths = [layer.path for layer in measured_layers_of_onnx(onnx_file, CPU)]
    assert {"stem.2", "context", "classifier", "logits"} <= set(paths)


def test_a_file_from_elsewhere_tells_its_nodes(tmp_path):
    path = tmp_path / "other.onnx"
    graph = onnx.parser.parse_graph(
        "g (float[1,3,8,8] x) => (float[1,1,1,1] y) { r = Relu(x) y = ReduceMax(r) }"
    )
    graph.node[0].name, graph.node[1].name = "first", "second"
    opset = onnx.helper.make_opsetid("", 18)
    onnx.save(onnx.helper.make_model(graph, opset_imports=[opset], ir_version=10), path)
    layers = measured_layers_of_onnx(path, CPU)
    assert [(one.path, one.kind, one.macs) for one in layers] == [
        ("first", "Relu", None),
        ("second", "ReduceMax", None),
    ]


def test_predicted_layers(segmenter):
    operators = operators_of(trace_by_module(segmenter, SHAPE))
    layers = predicted_layers(operators, [float(number) for number, _ in enumerate(operators)])
    assert layers[0] == LayerTime("stem.0", "conv2d batch_norm hardtanh", 41472, 0.0)
    assert [layer.ms for layer in layers] == [float(number) for number, _ in enumerate(operators)]


def test_layers_are_summed_over_modules():
    layers = [
        LayerTime("a.0", "conv2d", 10, 1.0),
        LayerTime("b", "add", 0, 2.0),
        LayerTime("a.1", "conv2d", 5, 3.0),
        LayerTime("a.0", "add", 0, 0.5),
        LayerTime("b", "Relu", None, 0.25),
    ]
    assert grouped(layers, 1) == [
        LayerTime("a", "2 conv2d, add", 15, 4.5),
        LayerTime("b", "add, Relu", None, 2.25),
    ]
    assert [layer.path for layer in grouped(layers)] == ["a.0", "b", "a.1"]
    many = [LayerTime("c", kind, 1, 1.0) for kind in ("x", "y", "z")]
    assert grouped(many) == [LayerTime("c", "3 layers", 3, 3.0)]


def test_shares_of_another_total():
    layers = [LayerTime("a", "x", 1, 1.0), LayerTime("b", "x", 1, 3.0)]
    assert [layer.ms for layer in scaled(layers, 8.0)] == [2.0, 6.0]
    assert scaled([], 8.0) == []


def test_hooks_tell_the_own_time_of_every_module():
    layers = {layer.path: layer for layer in eager_layers(Nested(), SHAPE, CPU, runs=5)}
    assert layers.keys() == {"", "child", "twice", "twice.0", "twice.1"}
    assert layers["child"].kind == "Waits"
    # A module's time is without that of its children.
    assert 4.0 <= layers["child"].ms < 6.0
    assert 2.0 <= layers[""].ms < 3.5
    assert layers["twice"].ms < 0.9
    assert 1.0 <= layers["twice.0"].ms < 2.0
