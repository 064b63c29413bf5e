from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from latency.exporting.norm_folding import fold_batch_norm
from latency.exporting.recording import Recording

SHAPE = (2, 4, 6, 8)


class Pair(nn.Module):
    """A convolution and a batch norm with statistics of their own, combined by a function."""

    def __init__(self, combine, bias: bool = True, groups: int = 1, affine: bool = True) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.convolution = nn.Conv2d(4, 4, 3, padding=1, bias=bias, groups=groups)
        self.norm = nn.BatchNorm2d(4, affine=affine)
        for values in (self.norm.running_var, *self.norm.parameters()):
            nn.init.uniform_(values, 0.5, 2.0)
        nn.init.normal_(self.norm.running_mean)
        self.combine = combine

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.combine(self, image)


def _one_after_the_other(pair, image):
    return F.relu(pair.norm(pair.convolution(image)))


def _by_name(pair, image):
    weight, bias = pair.convolution.weight, pair.convolution.bias
    return pair.norm(F.conv2d(image, weight, bias=bias, stride=2))


def _twice(pair, image):
    once = _one_after_the_other(pair, image)
    return _one_after_the_other(pair, once) + once


def _used_elsewhere(pair, image):
    between = pair.convolution(image)
    return pair.norm(between) + between


def _norm_alone(pair, image):
    return pair.convolution(pair.norm(image))


def _own_statistics(pair, image):
    return F.batch_norm(pair.convolution(image), None, None, training=True)


def _kernel_of_the_image(pair, image):
    return pair.norm(F.conv2d(image, pair.convolution.weight * image.mean()))


def _written_between(pair, image):
    return pair.norm(pair.convolution(image).relu_())


def _fold(network: nn.Module) -> tuple[Recording, Recording]:
    with torch.no_grad():
        recording = Recording.of(network.eval(), torch.zeros(SHAPE))
        return recording, fold_batch_norm(recording)


def _names(recording: Recording) -> list[str]:
    return [call.function.__name__ for call in recording.calls]


def _check_same(network: nn.Module, folded: Recording) -> None:
    image = torch.randn(SHAPE, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        torch.testing.assert_close(folded(image), network(image), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("combine", "options"),
    [
        (_one_after_the_other, {}),
        (_one_after_the_other, {"bias": False}),
        (_one_after_the_other, {"groups": 4}),
        (_one_after_the_other, {"affine": False}),
        (_by_name, {}),
        (_by_name, {"bias": False}),
        (_twice, {}),
    ],
)
def test_batch_norm_becomes_a_part_of_the_convolution_before_it(combine, options):
    network = Pair(combine, **options)
    before, after = _fold(network)
    assert "batch_norm" in _names(before)
    assert _names(after) == [name for name in _names(before) if name != "batch_norm"]
    _check_same(network, after)


@pytest.mark.parametrize(
    "combine",
    [_used_elsewhere, _norm_alone, _own_statistics, _kernel_of_the_image, _written_between],
)
def test_other_batch_norms_stay(combine):
    network = Pair(combine)
    before, after = _fold(network)
    assert "batch_norm" in _names(after)
    assert _names(after) == _names(before)
    _check_same(network, after)


def test_calls_keep_their_numbers():
    _, after = _fold(Pair(_one_after_the_other))
    assert [call.name for call in after.calls] == ["convolution#0", "#2"]


def test_the_network_keeps_its_weights():
    network = Pair(_one_after_the_other)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    _fold(network)
    after = network.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())
