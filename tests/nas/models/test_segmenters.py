from __future__ import annotations

import pytest
import torch

from nas.errors import UserError
from nas.models.encoder import EncoderSettings
from nas.models.segmentation import PlainDecoder
from nas.models.segmenters import SearchedSegmenterSettings, SegmenterSettings

SEARCHED = SearchedSegmenterSettings(
    space="fastnas",
    space_options={"branches": 2, "cells": 1, "width": 8},
    genotype="[[2,[0,1,3,4]],[[1,0]]]",
    encoder=EncoderSettings(name="lcnet_035", weights="none.safetensors"),
)


def test_a_segmenter_is_a_backbone_with_a_plain_decoder() -> None:
    network = SegmenterSettings(name="lcnet_035", strides=(4, 16)).build(5, (32, 48), 3).eval()
    assert isinstance(network.decoder, PlainDecoder)
    assert network.encoder.strides == (4, 16)
    assert network(torch.zeros(2, 3, 32, 48)).shape == (2, 5, 32, 48)


def test_weights_of_a_segmenter_are_where_its_training_begins_and_not_in_its_file() -> None:
    settings = SegmenterSettings(name="lcnet_035", weights="none.safetensors")
    with pytest.raises(UserError, match=r"none\.safetensors"):
        settings.create(3, 3)
    assert settings.build(3, (32, 32), 3).encoder.strides == (2, 4, 8, 16, 32)


def test_a_searched_network_is_deployed_without_auxiliary_heads() -> None:
    whole, deployed = SEARCHED.build_for_training(4, 3), SEARCHED.build(4, (32, 32), 3)
    assert len(whole.decoder.auxiliary_heads) == 1
    assert len(deployed.decoder.auxiliary_heads) == 0
    assert deployed.eval()(torch.zeros(1, 3, 32, 32)).shape == (1, 4, 32, 32)
    assert SEARCHED.as_built(deployed) is SEARCHED
