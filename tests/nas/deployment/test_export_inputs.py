"""Exported networks that take some of the inputs of their task."""

from __future__ import annotations

import onnxruntime
import pytest
import torch

import nas.tasks
from nas.deployment.export import export
from nas.deployment.int8 import OnnxNetwork
from nas.deployment.named_network import named_network
from nas.deployment.onnx_export import ExportOptions
from nas.deployment.selection import Selection
from nas.deployment.trained_network import trained_network
from nas.kinds import kind_of
from nas.kinds.network_file import NetworkDescription, save_network
from nas.models.face_settings import FaceNetworkSettings


@pytest.fixture(scope="module")
def task():
    return nas.tasks.load("spoofing", size=16, train=2, validation=1, test=1, captures=6)


@pytest.fixture(scope="module")
def file(task, tmp_path_factory):
    """A network for infrared and colour, with random weights."""
    kind = kind_of(task)
    settings = kind.as_trained(
        FaceNetworkSettings(name="convnet_small", inputs=("ir", "rgb")), task
    )
    path = tmp_path_factory.mktemp("network") / "model.safetensors"
    save_network(kind.create(settings, task), NetworkDescription.of(settings, task), path)
    return path


def test_the_file_takes_the_channels_of_its_inputs_alone(task, file, tmp_path):
    trained = trained_network(file, task)
    record = export(trained, tmp_path / "model.onnx", ExportOptions(), device="cpu")
    assert record["input"]["shape"] == [1, 4, 16, 16]
    assert record["input"]["channels"] == [4, 0, 1, 2]
    assert record["input"]["mean"] == [task.mean[channel] for channel in (4, 0, 1, 2)]
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    assert session.get_inputs()[0].shape == [1, 4, 16, 16]
    images = torch.rand(1, 5, 16, 16)
    given = {session.get_inputs()[0].name: images[:, [4, 0, 1, 2]].numpy()}
    with torch.no_grad():
        expected = trained.network(images)
    assert torch.allclose(torch.from_numpy(session.run(None, given)[0]), expected, atol=1e-4)


def test_latency_is_that_of_the_network_of_its_inputs(file):
    assert named_network(file, Selection()).input_shape == (1, 4, 16, 16)


def test_a_file_stands_in_for_the_network_among_all_channels():
    images = torch.rand(2, 5, 3, 3)
    network = OnnxNetwork(lambda given: given.sum(axis=(2, 3)), channels=(4, 0))
    assert torch.allclose(network(images), images[:, [4, 0]].sum(dim=(2, 3)))
