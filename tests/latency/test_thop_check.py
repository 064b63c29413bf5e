from __future__ import annotations

import warnings

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from latency import CountWarning, CrossCheck, cross_check


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
    with pytest.warns(CountWarning, match="1,152 multiply-accumulates and thop 576"):
        found = cross_check(HalfFunctional(), (1, 3, 8, 8))
    assert found == CrossCheck(1152, 576, 0.5)


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
