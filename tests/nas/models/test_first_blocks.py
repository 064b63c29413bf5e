"""Encoders that end within a stride."""

from __future__ import annotations

import pytest
import torch

from nas.errors import UserError
from nas.models.encoder import Encoder, EncoderSettings
from nas.models.first_blocks import Cut, split_name
from nas.models.weights import save_tensors
from nas.vision_libraries import timm


def make(name, strides=(4, 8, 16), weights="none", in_channels=3):
    return Encoder(EncoderSettings(name=name, weights=weights), strides, in_channels)


# Behind the 55488 of the first three blocks (test_encoder.py), the fourth of MobileNetV2 has one
# inverted residual from 32 to 64 channels, 6528 + 2112 + 12416, and three from 64, 25344 + 4224 +
# 24704 each.
def test_the_first_four_blocks_of_mobilenetv2_have_less_than_half_of_all_up_to_stride_16() -> None:
    encoder = make("mobilenetv2_100@4")
    assert sum(parameter.numel() for parameter in encoder.parameters()) == 55488 + 21056 + 3 * 54272
    assert (encoder.channels, encoder.strides) == ((24, 32, 64), (4, 8, 16))


def test_of_the_last_block_the_first_layers_are_enough(tmp_path) -> None:
    encoder = make("mobilenetv2_100@4.2")
    assert sum(parameter.numel() for parameter in encoder.parameters()) == 55488 + 21056 + 54272
    assert (encoder.channels, encoder.strides) == ((24, 32, 64), (4, 8, 16))
    whole = timm.create_model("mobilenetv2_035").eval()
    save_tensors(whole, tmp_path / "whole.safetensors")
    images = torch.randn(2, 3, 64, 96)
    with torch.no_grad():
        coarsest = whole.bn1(whole.conv_stem(images))
        for block in (*whole.blocks[:3], whole.blocks[3][:2]):
            coarsest = block(coarsest)
        short = make("mobilenetv2_035@4.2", weights=str(tmp_path / "whole.safetensors")).eval()
        assert torch.equal(short(images)[-1], coarsest)


def test_weights_of_the_whole_network_give_the_maps_behind_its_blocks(tmp_path) -> None:
    whole = timm.create_model("mobilenetv2_035").eval()
    save_tensors(whole, tmp_path / "whole.safetensors")
    encoder = make("mobilenetv2_035@4", weights=str(tmp_path / "whole.safetensors")).eval()
    images = torch.randn(2, 3, 64, 96)
    with torch.no_grad():
        found = whole.bn1(whole.conv_stem(images))
        expected = [found := block(found) for block in whole.blocks[:4]]
        maps = encoder(images)
        short = encoder.cut((4, 8))(images)
    # The first block ends at stride 2.
    assert all(torch.equal(a, b) for a, b in zip(maps, expected[1:], strict=True))
    assert all(torch.equal(a, b) for a, b in zip(short, expected[1:3], strict=True))


@pytest.mark.parametrize("name", ["lcnet_035@4", "ghostnet_050@6", "mobilenetv3_small_050@3"])
def test_every_map_has_its_stride_and_its_channels(name) -> None:
    encoder = make(name, in_channels=5).eval()
    maps = encoder(torch.randn(1, 5, 64, 32))
    shapes = zip(encoder.channels, encoder.strides, strict=True)
    assert [m.shape[1:] for m in maps] == [(n, 64 // s, 32 // s) for n, s in shapes]


def test_what_lies_behind_the_last_map_is_not_built() -> None:
    short, whole = (make(f"mobilenetv2_100{mark}", (4, 8)) for mark in ("@4", ""))
    assert sorted(short.state_dict()) == sorted(whole.state_dict())


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "mobilenetv2_035@9",
            "encoder 'mobilenetv2_035@9' can be cut behind 1 to 7 blocks, not 9.",
        ),
        (
            "mobilenetv2_035@0",
            "encoder 'mobilenetv2_035@0' can be cut behind 1 to 7 blocks, not 0.",
        ),
        ("mobilenetv2_035@", "behind the @ must be a number of blocks, or as 4.2 .*, not ''."),
        ("mobilenetv2_035@4.", "behind the @ must be a number of blocks, or .*, not '4.'."),
        ("mobilenetv2_035@4.0", "035@4.0': block 4 has 1 to 4 layers to keep, not 0."),
        ("mobilenetv2_035@4.5", "035@4.5': block 4 has 1 to 4 layers to keep, not 5."),
        ("resnet18@2", "encoder 'resnet18@2' cannot be cut behind a block"),
        ("vit_tiny_patch16_224@2", "cannot be cut behind a block"),
        ("mobilenetv2_035@3", "gives strides \\[2, 4, 8\\], but \\[16\\] are needed"),
        ("mobilenetv2@3", "encoder 'mobilenetv2@3' cannot be made: Unknown model"),
    ],
)
def test_what_cannot_be_cut_is_refused_in_a_sentence(name, message) -> None:
    with pytest.raises(UserError, match=message):
        make(name)


def test_the_revision_of_a_network_on_a_hub_is_no_number_of_blocks() -> None:
    assert split_name("hf_hub:me/net@main") == ("hf_hub:me/net@main", None)
    assert split_name("mobilenetv2_100@4") == ("mobilenetv2_100", Cut(4))
    assert split_name("mobilenetv2_100@4.2") == ("mobilenetv2_100", Cut(4, 2))
