from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from latency import ExportError, export_onnx, predictor, quantise_onnx, signal_to_noise
from latency.exporting.fake_quantised import FakeQuantised

SIZE = (3, 24, 32)


def images(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, *SIZE), dtype=np.float32)


@pytest.fixture
def files(onnx_file, tmp_path):
    return onnx_file, quantise_onnx(onnx_file, images(8), tmp_path / "int8.onnx")


def weights_of(path) -> dict[str, np.ndarray]:
    tensors = onnx.load(path).graph.initializer
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in tensors}


def test_it_computes_what_the_file_computes_for_any_number_of_images(files):
    expected = predictor(files[1])(images(3, seed=1))
    with torch.no_grad():
        found = FakeQuantised(*files).eval()(torch.from_numpy(images(3, seed=1))).numpy()
    assert signal_to_noise(expected, found) > 35


def test_what_is_not_trained_is_written_as_it_was(files, tmp_path):
    FakeQuantised(*files).write(tmp_path / "again.onnx")
    before, after = weights_of(files[1]), weights_of(tmp_path / "again.onnx")
    assert before.keys() == after.keys()
    for name, value in before.items():
        assert after[name].dtype == value.dtype and after[name].shape == value.shape
        if value.dtype == np.float32:
            np.testing.assert_allclose(after[name], value, rtol=1e-3, err_msg=name)
        else:
            assert np.abs(after[name].astype(int) - value.astype(int)).max() <= 1, name


def test_every_weight_bias_and_scale_learns(files):
    network = FakeQuantised(*files)
    network(torch.from_numpy(images(2))).square().mean().backward()
    assert (len(network.weights), len(network.biases)) == (4, 4)
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None and bool(parameter.grad.any()), name


def test_the_written_file_computes_what_was_trained(files, tmp_path):
    network = FakeQuantised(*files)
    optimiser = torch.optim.Adam(network.parameters(), 0.01)
    data = torch.from_numpy(images(4))
    target = torch.arange(5.0).reshape(1, 5, 1, 1).expand(4, 5, 24, 32)
    losses = []
    for _ in range(15):
        optimiser.zero_grad()
        loss = (network(data) - target).square().mean()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]
    network.write(tmp_path / "trained.onnx")
    found = predictor(tmp_path / "trained.onnx")(images(4))
    with torch.no_grad():
        expected = network.eval()(data).numpy()
    assert signal_to_noise(expected, found) > 30
    assert np.square(found - target.numpy()).mean() < 0.5 * losses[0]


def test_weights_keep_to_seven_bits_with_a_scale_for_each_channel(files, tmp_path):
    network = FakeQuantised(*files)
    with torch.no_grad():
        network.weights[0].values[0] *= 3
    network.write(tmp_path / "scaled.onnx")
    before, after = weights_of(files[1]), weights_of(tmp_path / "scaled.onnx")
    assert max(np.abs(v).max() for v in after.values() if v.dtype == np.int8) == 64
    name, scale = network.weights[0]._names
    assert np.array_equal(before[name], after[name])
    assert after[scale][0] == pytest.approx(3 * before[scale][0], rel=1e-5)
    assert after[scale][1] == pytest.approx(before[scale][1], rel=1e-5)


def test_a_channel_without_weights_keeps_its_bias(segmenter, tmp_path):
    nn.init.zeros_(segmenter.classifier.weight[0])
    nn.init.constant_(segmenter.classifier.bias, 2.0)
    path = export_onnx(segmenter, (1, *SIZE), tmp_path / "net.onnx")
    network = FakeQuantised(path, quantise_onnx(path, images(4), tmp_path / "int8.onnx"))
    network.write(tmp_path / "again.onnx")
    found = predictor(tmp_path / "again.onnx")(images(2))
    assert np.allclose(found[:, 0], 2.0, atol=0.1)


def test_gradients_of_rounding_are_those_of_learned_step_sizes(files):
    (activation, *_) = FakeQuantised(*files).activations
    activation._lowest, activation._highest = 0, 255
    with torch.no_grad():
        activation.logarithm.fill_(np.log(0.5))
    values = torch.tensor([-1.0, 0.6, 200.0], requires_grad=True)
    found = activation(values)
    assert found.tolist() == [0.0, 0.5, 127.5]
    found.sum().backward()
    assert values.grad.tolist() == [0.0, 1.0, 0.0]
    # By the scale s: 0 below, round(v / s) - v / s = 1 - 1.2 within, 255 above; s of them by log s.
    expected = (0 - 0.2 + 255) / (3 * 255) ** 0.5 * 0.5
    assert float(activation.logarithm.grad) == pytest.approx(expected, rel=1e-4)


def test_an_unknown_operator_is_told(files, tmp_path):
    model = onnx.load(files[1])
    model.graph.node.append(helper.make_node("Det", [model.graph.output[0].name], ["det"]))
    del model.graph.output[:]
    model.graph.output.append(helper.make_tensor_value_info("det", TensorProto.FLOAT, None))
    onnx.save(model, tmp_path / "other.onnx")
    with pytest.raises(ExportError, match="the operator Det is not known; leave --qat out"):
        FakeQuantised(files[0], tmp_path / "other.onnx")
