from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from latency import ExportError, check_onnx, export_onnx
from latency.exporting.recording import Recording

SHAPE = (1, 4, 6, 8)


class Steps(nn.Module):
    """Any function as a network."""

    def __init__(self, function) -> None:
        super().__init__()
        self.function = function

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.function(image)


class MergedKernel(nn.Module):
    """Crops a kernel by the size of the map and merges it with another."""

    def __init__(self) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(4, 4, 3, padding=12, dilation=12, groups=4, bias=False)
        self.pointwise = nn.Conv2d(4, 4, 1, bias=False)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        reach = min(1, (image.shape[2] - 1) // 12)
        centre = self.depthwise.weight[:, :, 1 - reach : 2 + reach, 1 - reach : 2 + reach]
        return F.conv2d(image, self.pointwise.weight * centre.view(1, -1, 1, 1))


def _write_rows(image):
    copied = image * 2
    copied[:, :, 0] = image[:, :, 1]
    return copied


def _write_own(image):
    canvas = torch.zeros(1, 4, 6, 8)
    canvas[:, :, :3] = image[:, :, :3]
    return canvas


@pytest.mark.parametrize(
    "function",
    [
        lambda image: image + 1,
        lambda image: 1 - image,
        lambda image: torch.cat(list(image.split(2, dim=1)), dim=2),
        lambda image: image.max(dim=1, keepdim=True).values,
        lambda image: F.relu(image - 0.5, inplace=True) * 3,
        lambda image: (image * 2).add_(1),
        lambda image: image.flatten(2) @ image.flatten(2).mT,
        lambda image: image.reshape(image.shape[0], -1).softmax(dim=1),
        lambda image: torch.einsum("nchw,nchw->nc", [image, image]),
        lambda image: image,
        _write_rows,
    ],
)
def test_a_recording_computes_what_the_network_computes(function):
    network = Steps(function)
    recording = Recording.of(network, torch.zeros(SHAPE))
    image = torch.randn(SHAPE, generator=torch.Generator().manual_seed(0))
    assert torch.equal(recording(image.clone()), network(image.clone()))


def test_a_recording_gives_plain_tensors():
    recording = Recording.of(nn.Conv2d(4, 2, 1).requires_grad_(False), torch.zeros(SHAPE))
    assert type(recording(torch.zeros(SHAPE))) is torch.Tensor


def test_an_output_that_ignores_the_input_is_a_constant():
    recording = Recording.of(Steps(lambda image: torch.full((1, 2), 3.0)), torch.zeros(SHAPE))
    assert recording(torch.ones(SHAPE)).tolist() == [[3.0, 3.0]]


def test_a_kernel_made_in_the_forward_pass_is_exported(tmp_path):
    torch.manual_seed(0)
    network = MergedKernel()
    path = export_onnx(network, SHAPE, tmp_path / "network.onnx")
    assert check_onnx(network, path, SHAPE) < 1e-5


def test_a_constant_network_is_exported(tmp_path):
    network = Steps(lambda image: torch.full((1, 2), 3.0))
    path = export_onnx(network, SHAPE, tmp_path / "network.onnx")
    assert check_onnx(network, path, SHAPE) == 0


def test_several_outputs_are_refused():
    with pytest.raises(ExportError, match="the network gives a tuple"):
        Recording.of(Steps(lambda image: (image, image)), torch.zeros(SHAPE))


def test_writing_into_a_tensor_of_its_own_is_refused():
    with pytest.raises(ExportError, match="into a tensor of its own"):
        Recording.of(Steps(_write_own), torch.zeros(SHAPE))
