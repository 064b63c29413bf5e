from __future__ import annotations

import warnings

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from latency import CountWarning, CrossCheck, cross_check
from latency.counting.thop_check import thop_warning


class HalfFunctional(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 1, bias=False)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return F.conv2d(self.conv(image), self.conv.weight)


class OwnConv2d(nn.Conv2d):
    pass


class OwnLinear(nn.Linear):
    pass


def test_subclasses_count_like_their_base():
    model = nn.Sequential(OwnConv2d(3, 4, 1, bias=False), OwnLinear(8, 5, bias=False))
    macs = 3 * 4 * 64 + 4 * 8 * 8 * 5
    assert cross_check(model, (1, 3, 8, 8)) == CrossCheck(macs, macs, 0.0)


def test_both_counters_agree_on_plain_convolutions():
    model = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.ReLU())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert cross_check(model, (1, 3, 8, 8)) == CrossCheck(13824, 13824, 0.0)


def test_a_functional_call_that_thop_misses_is_warned_of():
    with pytest.warns(CountWarning, match="1,152 multiply-accumulates .* and 576 by thop"):
        found = cross_check(HalfFunctional(), (1, 3, 8, 8))
    assert found == CrossCheck(1152, 576, 0.5)


def test_a_search_is_told_in_one_sentence():
    assert thop_warning(HalfFunctional(), (1, 3, 8, 8)) == (
        "1,152 multiply-accumulates are counted, and 576 by thop, which counts normalisation "
        "too and misses functional operations; look into it if the networks are your own."
    )


def test_a_search_is_told_nothing_where_both_counters_agree():
    assert thop_warning(nn.Conv2d(3, 8, 3), (1, 3, 8, 8)) is None


def test_nothing_is_printed(capfd):
    cross_check(nn.Conv2d(3, 8, 1), (1, 3, 8, 8))
    assert capfd.readouterr() == ("", "")


def test_no_buffer_of_thop_stays_behind(segmenter):
    names = list(segmenter.state_dict())
    segmenter.train()
    cross_check(segmenter, (1, 3, 24, 32))
    assert list(segmenter.state_dict()) == names
    assert all(module.training for module in segmenter.modules())
    assert not any(hasattr(module, "total_ops") for module in segmenter.modules())


CHANNELS, PIXELS, OUTPUTS = 8, 60, 5


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(CHANNELS, 2, batch_first=True)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        tokens = image.flatten(2).mT
        return self.attention(tokens, tokens, tokens)[0]


@pytest.mark.filterwarnings("ignore::latency.CountWarning")
@pytest.mark.parametrize(
    ("model", "ours", "thop"),
    [
        # A kernel at every pixel of the output, though it is applied to those of the input.
        (
            nn.ConvTranspose2d(CHANNELS, OUTPUTS, 3, stride=2),
            CHANNELS * OUTPUTS * 9 * PIXELS,
            CHANNELS * OUTPUTS * 9 * 13 * 21,
        ),
        (Attention(), 4 * PIXELS * CHANNELS**2 + 2 * PIXELS**2 * CHANNELS, 0),
        (nn.BatchNorm2d(CHANNELS), 0, 4 * CHANNELS * PIXELS),
        (nn.AvgPool2d(2), 0, CHANNELS * 15),
        (nn.Upsample(scale_factor=2, mode="bilinear"), 0, 11 * CHANNELS * 4 * PIXELS),
        (nn.Softmax(1), 0, 23 * PIXELS),
    ],
    ids=["transposed", "attention", "batch norm", "pooling", "resizing", "softmax"],
)
def test_the_known_errors_of_thop_are_as_they_were(model, ours, thop):
    found = cross_check(model, (1, CHANNELS, 6, 10))
    assert (found.ours, found.thop) == (ours, thop)
