from __future__ import annotations

import pytest
import torch
from torch import nn

from nas.models.encoder import Encoder, EncoderSettings
from nas.models.segmentation import (
    PlainDecoder,
    SegmentationNetwork,
    decode,
    resize,
    without_auxiliary,
)


@pytest.fixture(scope="module")
def encoder():
    return Encoder(EncoderSettings(name="lcnet_035", weights="none")).eval()


class TwoHeads(nn.Module):
    """A decoder with auxiliary heads."""

    def __init__(self):
        super().__init__()
        self.main = nn.Conv2d(24, 5, 1)
        self.heads = nn.ModuleList(nn.Conv2d(24, 5, 1) for _ in range(2))

    def forward(self, features):
        return self.main(features[0])

    def forward_with_auxiliary(self, features):
        return self(features), [head(features[0]) for head in self.heads]

    def remove_auxiliary(self):
        self.heads = nn.ModuleList()


@pytest.mark.parametrize(("size", "side"), [((64, 64), (16, 16)), ((60, 84), (15, 21))])
def test_a_network_gives_logits_at_the_size_of_its_images(encoder, size, side):
    network = SegmentationNetwork(encoder, PlainDecoder(encoder.channels, 5, 8)).eval()
    images = torch.randn(2, 3, *size)
    assert network(images).shape == (2, 5, *size)
    logits, auxiliary = network.forward_with_auxiliary(images)
    assert logits.shape == (2, 5, *side)
    assert auxiliary == []
    torch.testing.assert_close(network(images), resize(logits, size))


def test_the_plain_decoder_has_the_size_of_its_parts():
    decoder = PlainDecoder((3, 4, 5), num_classes=7, width=6)
    lateral, smooth, classifier = 6 * (3 + 4 + 5), 2 * 2 * 6 + 36 * 9, 7 * (6 * 9 + 1)
    assert sum(p.numel() for p in decoder.parameters()) == lateral + smooth + classifier


def test_the_plain_decoder_reads_every_map():
    decoder = PlainDecoder((3, 4, 5), num_classes=7, width=6)
    shapes = [(2, 3, 9, 9), (2, 4, 5, 5), (2, 5, 3, 3)]
    maps = [torch.randn(shape, requires_grad=True) for shape in shapes]
    logits = decoder(maps)
    assert logits.shape == (2, 7, 9, 9)
    logits.square().sum().backward()
    assert all(m.grad.abs().max() > 0 for m in maps)


def test_the_plain_decoder_refuses_another_number_of_maps():
    with pytest.raises(ValueError, match="zip"):
        PlainDecoder((3, 4), 7)([torch.randn(1, 3, 4, 4)])


def test_auxiliary_heads_are_used_in_training_and_dropped_for_deployment(encoder):
    network = SegmentationNetwork(encoder, TwoHeads()).eval()
    images = torch.randn(1, 3, 32, 32)
    assert len(network.forward_with_auxiliary(images)[1]) == 2
    before = network(images)
    assert without_auxiliary(network.decoder) is network.decoder
    assert network.forward_with_auxiliary(images)[1] == []
    assert torch.equal(network(images), before)


def test_a_decoder_without_auxiliary_heads_is_left_alone():
    decoder = nn.Conv2d(1, 1, 1)
    assert without_auxiliary(decoder) is decoder
    logits, auxiliary = decode(lambda maps: maps[0] + 1, [torch.zeros(1, 1, 2, 2)])
    assert logits.sum() == 4
    assert auxiliary == []


def test_maps_are_resized_bilinearly_between_pixel_centres():
    maps = torch.tensor([[[[0.0, 1.0]]]])
    assert resize(maps, (1, 4)).flatten().tolist() == [0, 0.25, 0.75, 1]
    assert resize(maps, (1, 2)) is maps
