from __future__ import annotations

import pytest
import torch

from nas.errors import UserError
from nas.models.inputs import SelectInputs

INPUTS = {"rgb": 3, "depth": 1, "ir": 2}


@pytest.mark.parametrize(
    ("names", "channels"),
    [
        (["rgb"], [0, 1, 2]),
        (["ir"], [4, 5]),
        (["rgb", "ir"], [0, 1, 2, 4, 5]),
        (["ir", "depth"], [4, 5, 3]),
        (["rgb", "depth", "ir"], [0, 1, 2, 3, 4, 5]),
    ],
)
def test_the_channels_of_the_named_inputs_are_taken(names, channels):
    images = torch.randn(2, 6, 3, 4)
    select = SelectInputs(INPUTS, names)
    assert torch.equal(select(images), images[:, channels])
    assert select.channels == len(channels)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["rbg"], "no input 'rbg'; known: rgb, depth, ir"),
        ([], "at least one"),
        (["ir"] * 2, "once"),
    ],
)
def test_wrong_names_are_refused(names, message):
    with pytest.raises(UserError, match=message):
        SelectInputs(INPUTS, names)
