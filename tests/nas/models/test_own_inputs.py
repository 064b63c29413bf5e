"""Networks that are given all inputs, as a device runs them that has their own alone."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from nas.models.face_networks import on_its_own
from nas.models.face_settings import FaceNetworkSettings

CHANNELS = {"depth": 1, "rgb": 3, "ir": 1}
OPTIONS = {"layers": [1, 1, 1, 1], "channels": [8, 8, 16, 16]}


def network(inputs, **settings):
    made = FaceNetworkSettings(inputs=inputs, channels=CHANNELS, **settings)
    return made.create(2, (32, 32)).eval()


@pytest.mark.parametrize(
    ("settings", "inputs", "expected"),
    [
        ({"name": "convnet_small"}, ("rgb",), (1, 2, 3)),
        ({"name": "convnet_small"}, ("ir", "depth"), (4, 0)),
        ({"name": "se_resnet18", "options": OPTIONS}, ("rgb",), (1, 2, 3)),
        ({"name": "se_resnet18_fusion", "options": OPTIONS}, ("ir", "depth"), (0, 4)),
    ],
)
def test_a_network_on_its_own_gives_the_same_from_its_channels(settings, inputs, expected):
    whole = network(inputs, **settings)
    own, channels = on_its_own(whole)
    assert channels == expected
    images = torch.rand(2, 5, 32, 32)
    with torch.no_grad():
        assert torch.equal(own(images[:, list(channels)]), whole(images))


def test_a_network_of_all_inputs_stays_as_it_is():
    for whole in (network((), name="se_resnet18_fusion", options=OPTIONS), nn.Linear(2, 2)):
        assert on_its_own(whole) == (whole, None)
