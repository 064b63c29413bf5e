from __future__ import annotations

import pytest
import torch
from torch import nn

from nas.distillation import adapter_for, create_adapter, create_regressor, describe, find

MAP = (2, 4, 7, 7)
WIDE = (2, 6, 7, 7)
FEATURE_LOSSES = [info.name for info in describe() if "features" in info.compares]


def test_equal_channels_need_no_adapter():
    assert isinstance(create_adapter(MAP, (2, 4, 3, 3)), nn.Identity)
    assert isinstance(create_adapter((2, 5), (2, 5)), nn.Identity)


def test_maps_get_a_1x1_convolution():
    adapter = create_adapter(MAP, WIDE)
    assert adapter.kernel_size == (1, 1)
    assert adapter(torch.ones(MAP)).shape == WIDE


def test_vectors_get_a_linear_layer():
    adapter = create_adapter((2, 5), (2, 3))
    assert isinstance(adapter, nn.Linear)
    assert adapter(torch.ones(2, 5)).shape == (2, 3)


def test_a_regressor_is_there_where_channels_agree():
    assert create_regressor(MAP, MAP)(torch.ones(MAP)).shape == MAP
    assert create_regressor((2, 5), (2, 5)).weight.shape == (5, 5)


@pytest.mark.parametrize("create", [create_adapter, create_regressor])
@pytest.mark.parametrize("pair", [(MAP, (2, 4)), ((2, 4), MAP), ((2, 3, 4), (2, 3, 4))])
def test_other_pairs_are_refused_with_both_shapes(create, pair):
    with pytest.raises(ValueError) as caught:
        create(*pair)
    assert all(str(shape) in str(caught.value) for shape in pair)


@pytest.mark.parametrize(
    ("method", "unequal", "equal"),
    [
        ("attention", nn.Identity, nn.Identity),
        ("nst", nn.Identity, nn.Identity),
        ("similarity", nn.Identity, nn.Identity),
        ("rkd", nn.Identity, nn.Identity),
        ("mgd", nn.Identity, nn.Identity),
        ("feature_mse", nn.Conv2d, nn.Identity),
        ("channel_wise", nn.Conv2d, nn.Identity),
        ("mmd", nn.Conv2d, nn.Identity),
        ("hint", nn.Conv2d, nn.Conv2d),
    ],
)
def test_every_loss_gets_what_it_needs(method, unequal, equal):
    assert type(adapter_for(find(method).info, MAP, WIDE)) is unequal
    assert type(adapter_for(find(method).info, MAP, MAP)) is equal


@pytest.mark.parametrize("method", FEATURE_LOSSES)
def test_sizes_are_adapted_only_where_the_loss_defines_it(method):
    if not find(method).info.equal_sizes:
        assert isinstance(adapter_for(find(method).info, MAP, (2, 4, 3, 3)), nn.Identity)
        return
    with pytest.raises(ValueError) as caught:
        adapter_for(find(method).info, MAP, (2, 4, 3, 3))
    assert str(MAP) in str(caught.value)
    assert "(2, 4, 3, 3)" in str(caught.value)


@pytest.mark.parametrize("method", ["attention", "nst", "mgd", "channel_wise"])
def test_losses_on_positions_refuse_vectors(method):
    with pytest.raises(ValueError, match=r"compares maps .*\(2, 4\) of the student"):
        adapter_for(find(method).info, (2, 4), (2, 4))
