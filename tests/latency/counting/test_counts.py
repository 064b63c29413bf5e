from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from latency import Counts, LatencyError, count


class Functional(nn.Module):
    """A convolution and a matrix product that no submodule announces."""

    def __init__(self) -> None:
        super().__init__()
        self.kernel = nn.Parameter(torch.zeros(6, 3, 3, 3))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        features = F.conv2d(image, self.kernel, padding=1).flatten(2)
        return features @ features.transpose(1, 2)


class Sliced(nn.Module):
    """Crops its kernel in the forward pass and makes a tensor without naming a device."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 3, padding=12, dilation=12, bias=False)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return F.conv2d(image, self.conv.weight[:, :, 1:2, 1:2]) + torch.ones(1)


@pytest.mark.parametrize(
    ("layer", "parameters", "macs"),
    [
        (nn.Conv2d(3, 16, 3, padding=1), 448, 16 * 3 * 9 * 8 * 10),
        (nn.Conv2d(3, 16, 3, stride=2, padding=1), 448, 16 * 3 * 9 * 4 * 5),
        (nn.Conv2d(3, 3, 5, padding=2, groups=3, bias=False), 75, 3 * 25 * 8 * 10),
        (nn.Conv2d(3, 8, 3, padding=6, dilation=6, bias=False), 216, 8 * 3 * 9 * 8 * 10),
        (nn.Conv2d(3, 9, 1, groups=3, bias=False), 9, 9 * 1 * 8 * 10),
        (nn.Linear(10, 7), 77, 3 * 8 * 10 * 7),
        (nn.BatchNorm2d(3), 6, 0),
    ],
    ids=["conv", "strided", "depthwise", "dilated", "grouped", "linear", "batch_norm"],
)
def test_counts_are_those_derived_by_hand(layer, parameters, macs):
    assert count(layer, (1, 3, 8, 10)) == Counts(parameters, macs, 2 * macs)


def test_functional_calls_are_counted():
    macs = 6 * 3 * 9 * 64 + 6 * 64 * 6
    assert count(Functional(), (1, 3, 8, 8)) == Counts(162, macs, 2 * macs)


def test_a_cropped_kernel_costs_what_is_computed():
    assert count(Sliced(), (1, 4, 8, 8)) == Counts(144, 4 * 4 * 64, 2 * 4 * 4 * 64)


def test_shared_parameters_count_once_and_their_work_twice():
    layer = nn.Conv2d(4, 4, 1, bias=False)
    assert count(nn.Sequential(layer, layer), (1, 4, 5, 5)) == Counts(16, 800, 1600)


def test_a_batch_costs_its_images():
    layer = nn.Conv2d(3, 4, 1, bias=False)
    assert count(layer, (5, 3, 8, 8)).macs == 5 * count(layer, (1, 3, 8, 8)).macs


def test_the_model_is_left_as_it_was(segmenter):
    segmenter.train()
    segmenter.depthwise.eval()
    seen = []
    segmenter.norm.register_forward_hook(lambda *_: seen.append("hook"))
    state = {name: value.clone() for name, value in segmenter.state_dict().items()}
    modes = [module.training for module in segmenter.modules()]

    count(segmenter, (1, 3, 24, 32))

    assert segmenter.state_dict().keys() == state.keys()
    assert all(torch.equal(value, state[name]) for name, value in segmenter.state_dict().items())
    assert [module.training for module in segmenter.modules()] == modes
    assert all(parameter.requires_grad for parameter in segmenter.parameters())
    assert len(segmenter.norm._forward_hooks) == 1
    assert seen == []


def test_batch_norm_in_training_mode_takes_one_image():
    model = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.BatchNorm2d(3)).train()
    assert count(model, (1, 3, 8, 8)).macs == 0


def test_a_bfloat16_model_is_counted():
    layer = nn.Conv2d(3, 4, 1, bias=False).bfloat16()
    assert count(layer, (1, 3, 8, 8)).macs == 3 * 4 * 64
    assert layer.weight.dtype == torch.bfloat16


@pytest.mark.parametrize("shape", [(3, 8, 8), (1, 3, 0, 8), (1, 3, 8.0, 8), (1, 3, True, 8)])
def test_a_wrong_shape_is_refused(shape):
    with pytest.raises(LatencyError, match="not four positive integers"):
        count(nn.Identity(), shape)


def test_what_counts_nothing_keeps_its_shape():
    model = nn.Sequential(
        nn.BatchNorm2d(2),
        nn.ReLU6(),
        nn.Upsample(size=(6, 10), mode="bilinear"),
        nn.ReLU(inplace=True),
        nn.Upsample(size=7),
        nn.Upsample(scale_factor=2),
        nn.Conv2d(2, 1, 1, bias=False),
    )
    assert count(model, (1, 2, 3, 4)).macs == 2 * 14 * 14


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"stride": 2, "padding": 1},
        {"stride": (2, 3), "padding": (0, 2), "dilation": (2, 1)},
        {"padding": [4], "dilation": [4]},
        {"groups": 2},
        {"groups": 4, "padding": "same", "dilation": 2},
        {"bias": torch.zeros(8)},
    ],
)
def test_a_convolution_counts_as_the_counter_of_torch_counts_it(options):
    class Convolution(nn.Module):
        def forward(self, image: torch.Tensor) -> torch.Tensor:
            weight = image.new_zeros(8, 4 // options.get("groups", 1), 3, 2)
            named = options | {"bias": image.new_zeros(8)} if "bias" in options else options
            shapes.append(F.conv2d(image, weight, **named).shape)
            return image

    shapes: list[torch.Size] = []
    counted = count(Convolution(), (2, 4, 9, 11))
    with FlopCounterMode(display=False) as counter:
        Convolution()(torch.zeros(2, 4, 9, 11))
    assert counted.flops == counter.get_total_flops() > 0
    assert shapes[0] == shapes[1]


@pytest.mark.parametrize("layer", [nn.Conv2d(3, 4, 3), nn.Conv2d(2, 4, 12)])
def test_a_convolution_that_cannot_run_is_refused(layer):
    with pytest.raises(RuntimeError):
        count(layer, (1, 2, 9, 9))
