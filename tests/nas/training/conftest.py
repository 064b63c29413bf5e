"""Small tasks of both kinds, and networks that are small enough to be trained in a second."""

from __future__ import annotations

import pytest
from corners import corners, make_net
from small_faces import faces, make_network, whole_faces
from torch import nn

from nas.training.seeding import seeded

__all__ = ["corners", "faces", "make_net", "make_network", "whole_faces"]


@pytest.fixture
def small_net() -> nn.Module:
    """Convolutions, batch norms and a bias, on 2 channels."""
    with seeded("small net"):
        return nn.Sequential(
            nn.Conv2d(2, 3, 3, padding=1, bias=False),
            nn.BatchNorm2d(3),
            nn.ReLU(),
            nn.BatchNorm2d(3),
            nn.Conv2d(3, 4, 1),
        )
