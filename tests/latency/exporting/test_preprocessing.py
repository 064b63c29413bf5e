from __future__ import annotations

import pytest
import torch
from torch import nn

from latency import ExportError
from latency.exporting.preprocessing import Preprocessed

MEAN, STD = (0.1, 0.2, 0.4), (0.5, 0.25, 0.2)


class Same(nn.Module):
    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return image


def test_channels_are_scaled_and_normalised():
    pixels = torch.tensor([0, 51, 255], dtype=torch.uint8).view(1, 1, 1, 3)
    found = Preprocessed(Same(), MEAN, STD, "nhwc")(pixels)
    assert found.shape == (1, 3, 1, 1)
    expected = torch.tensor([-0.1 / 0.5, 0.0, 0.6 / 0.2])
    assert torch.allclose(found.flatten(), expected, atol=1e-6)


def test_both_layouts_give_the_same():
    planes = torch.randint(0, 256, (2, 3, 4, 5), dtype=torch.uint8)
    nhwc, nchw = (Preprocessed(Same(), MEAN, STD, layout) for layout in ("nhwc", "nchw"))
    assert nhwc.laid_out(planes).shape == (2, 4, 5, 3)
    assert torch.equal(nhwc(nhwc.laid_out(planes)), nchw(nchw.laid_out(planes)))
    assert torch.equal(nhwc.of_planes()(planes.float()), nchw(planes))


def test_other_layouts_are_refused():
    with pytest.raises(ExportError, match=r"layout 'chwn' is not known: use nhwc or nchw"):
        Preprocessed(Same(), MEAN, STD, "chwn")
