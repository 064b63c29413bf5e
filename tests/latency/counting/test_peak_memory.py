from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from latency import LatencyError, Memory, count_memory, count_onnx_memory, export_onnx
from latency.counting.peak_memory import Step, peak_bytes

SHAPE = (1, 3, 8, 8)


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, 1, bias=False)
        self.second = nn.Conv2d(4, 4, 1, bias=False)
        self.unused = nn.Conv2d(4, 400, 3)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        features = self.first(image)
        return features + self.second(features)


class Block(nn.Module):
    """Convolution, batch norm and activation, which a runtime fuses, then a wider one."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1, bias=False),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.Conv2d(8, 16, 3, stride=2, padding=1),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(16, 5),
        )

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.layers(image)


def test_memory_is_that_derived_by_hand():
    # The first convolution has its input and its output; the second the latter and 16 x 4 x 4.
    image, first, second = 3 * 64 * 4, 8 * 64 * 4, 16 * 16 * 4
    weights = 4 * (8 * 27 + 8 + 16 * 72 + 16 + 80 + 5)
    assert count_memory(Block(), SHAPE) == Memory(weights, max(image + first, first + second))


def test_an_addition_takes_the_place_of_what_it_adds():
    # Two maps at most: the sum goes where a term was. Unused weights are not deployed.
    assert count_memory(Residual(), SHAPE) == Memory(4 * (12 + 16), 2 * 4 * 64 * 4)


def test_both_together_are_the_peak():
    assert Memory(weights=3, activations=4).peak == 7


@pytest.mark.parametrize("network", [Residual(), Block()])
def test_the_file_needs_what_the_network_needs(network, tmp_path):
    path = export_onnx(network, SHAPE, tmp_path / "network.onnx")
    counted, found = count_memory(network, SHAPE), count_onnx_memory(path)
    assert found.activations == counted.activations
    assert found.weights == pytest.approx(counted.weights, abs=64)


def test_a_batch_needs_its_images():
    one, four = (count_memory(Block(), (batch, 3, 8, 8)) for batch in (1, 4))
    assert four.activations == 4 * one.activations
    assert four.weights == one.weights


def test_the_model_is_left_as_it_was(segmenter):
    segmenter.train()
    count_memory(segmenter, (1, 3, 24, 32))
    assert all(module.training for module in segmenter.modules())
    assert not any(parameter.is_meta for parameter in segmenter.parameters())


def test_an_open_batch_is_counted_as_given(tmp_path):
    path = export_onnx(Block(), SHAPE, tmp_path / "open.onnx", dynamic_batch=True)
    found = count_onnx_memory(path, (4, 3, 8, 8))
    assert found.activations == count_memory(Block(), (4, 3, 8, 8)).activations


def test_quantised_values_take_one_byte(tmp_path):
    # image > Q > DQ > Conv > Q > DQ > logits, with the weights in int8.
    scale, zero = (
        numpy_helper.from_array(np.array(value), name)
        for value, name in ((np.float32(0.1), "scale"), (np.uint8(0), "zero"))
    )
    signed = numpy_helper.from_array(np.array(np.int8(0)), "signed")
    weights = numpy_helper.from_array(np.ones((4, 3, 1, 1), np.int8), "weights")
    nodes = [
        helper.make_node("QuantizeLinear", ["image", "scale", "zero"], ["a"]),
        helper.make_node("DequantizeLinear", ["a", "scale", "zero"], ["b"]),
        helper.make_node("DequantizeLinear", ["weights", "scale", "signed"], ["c"]),
        helper.make_node("Conv", ["b", "c"], ["d"]),
        helper.make_node("QuantizeLinear", ["d", "scale", "zero"], ["e"]),
        helper.make_node("DequantizeLinear", ["e", "scale", "zero"], ["f"]),
        helper.make_node("GlobalAveragePool", ["f"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "int8",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, SHAPE)],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, (1, 4, 1, 1))],
        [scale, zero, signed, weights],
    )
    path = tmp_path / "int8.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)]), path)
    image, quantised = 3 * 64 * 4, 3 * 64
    assert count_onnx_memory(path) == Memory(4 + 1 + 1 + 12, image + quantised)


def test_a_size_that_is_not_known_is_told(onnx_file, tmp_path):
    model = onnx.load(onnx_file)
    model.graph.node[0].op_type = "Mystery"
    model.graph.node[0].domain = "nowhere"
    path = tmp_path / "mystery.onnx"
    onnx.save(model, path)
    with pytest.raises(LatencyError, match=r"mystery\.onnx: the sizes in it are not known"):
        count_onnx_memory(path)
    model.opset_import.append(helper.make_opsetid("nowhere", 1))
    onnx.save(model, path)
    with pytest.raises(LatencyError, match=r"mystery\.onnx: the size of .* is not known"):
        count_onnx_memory(path)


def step(inputs: str, output: str, size: int, **options) -> Step:
    return Step(tuple(inputs), {output: size}, **options)


def test_a_chain_needs_two_neighbours_at_once():
    steps = [step("x", "a", 30), step("a", "b", 20), step("b", "c", 5)]
    assert peak_bytes({"x": 10}, steps, ["c"]) == 50


def test_a_value_that_is_read_later_stays():
    steps = [step("x", "a", 30), step("a", "b", 20), step("xb", "c", 5)]
    assert peak_bytes({"x": 10}, steps, ["c"]) == 60


def test_results_stay_to_the_end():
    steps = [step("x", "a", 30), step("x", "b", 20), step("b", "c", 40)]
    assert peak_bytes({"x": 10}, steps, ["a", "c"]) == 90
    assert peak_bytes({"x": 10}, steps, ["c"]) == 60


def test_a_value_that_nothing_reads_goes_at_once():
    steps = [step("x", "a", 100), step("x", "b", 20), step("b", "c", 20)]
    assert peak_bytes({"x": 10}, steps, ["c"]) == 110


def test_an_output_takes_the_place_of_an_input_that_goes():
    steps = [step("x", "a", 30), step("a", "b", 30, overwrites=("a",)), step("b", "c", 1)]
    assert peak_bytes({"x": 10}, steps, ["c"]) == 40


def test_an_input_that_is_read_later_is_not_overwritten():
    steps = [step("x", "a", 30), step("a", "b", 30, overwrites=("a",)), step("ab", "c", 1)]
    assert peak_bytes({"x": 10}, steps, ["c"]) == 61


def test_an_input_of_another_size_is_not_overwritten():
    steps = [step("x", "a", 30), step("a", "b", 20, overwrites=("a",))]
    assert peak_bytes({"x": 10}, steps, ["b"]) == 50


def test_a_view_takes_nothing_and_keeps_what_it_shows():
    steps = [step("x", "a", 30), step("a", "v", 30, is_view=True), step("x", "b", 7)]
    assert peak_bytes({"x": 10}, steps, ["v", "b"]) == 47


def test_what_a_view_shows_is_not_overwritten():
    steps = [
        step("x", "a", 30),
        step("a", "v", 30, is_view=True),
        step("a", "b", 30, overwrites=("a",)),
    ]
    assert peak_bytes({"x": 1}, steps, ["v", "b"]) == 60


def test_the_input_alone_may_be_the_peak():
    assert peak_bytes({"x": 10}, [], ["x"]) == 10
