from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from latency import ExportError
from latency.exporting.comparison import largest_difference


class Doubled(nn.Module):
    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return 2 * image


IMAGES = torch.tensor([1.0, 10.0]).view(2, 1, 1, 1).split(1)


def test_the_largest_difference_of_all_images_is_told():
    found = largest_difference(Doubled(), lambda image: 2.0005 * image, IMAGES)
    assert found == pytest.approx(0.005, rel=1e-3)


def test_the_tolerance_is_a_share_of_the_largest_output():
    # 20 may differ by 0.02, 2 by 0.002.
    assert largest_difference(Doubled(), lambda image: 2 * image + 0.0019, IMAGES) > 0
    with pytest.raises(
        ExportError, match=r"differ from PyTorch's by up to 0.0021, more than .* 0.002"
    ):
        largest_difference(Doubled(), lambda image: 2 * image + 0.0021, IMAGES)
    assert largest_difference(Doubled(), lambda image: 2 * image + 0.0021, IMAGES, 0.01) > 0


def test_what_is_no_number_is_beyond_every_tolerance():
    with pytest.raises(ExportError, match="differ from PyTorch's by up to nan"):
        largest_difference(Doubled(), lambda image: image * np.nan, IMAGES, 1e9)


def test_outputs_of_another_shape_are_refused():
    with pytest.raises(ExportError, match=r"gives shape \(1, 1, 1\), and PyTorch's \(1, 1, 1, 1\)"):
        largest_difference(Doubled(), lambda image: image[0], IMAGES)
