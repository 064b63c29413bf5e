from __future__ import annotations

import pytest
import torch

from nas.errors import UserError
from nas.models import small_images
from nas.models.classifiers import ClassifierSettings, create_classifier
from nas.models.encoder import Encoder, EncoderSettings
from nas.models.weights import save_tensors


def encoder(channels, weights="none", **options):
    return Encoder(
        EncoderSettings(name="lcnet_035", weights=weights, options=options), (4, 8), channels
    )


@pytest.mark.parametrize("channels", [1, 4])
def test_an_encoder_takes_any_number_of_channels(channels):
    maps = encoder(channels)(torch.zeros(1, channels, 32, 32))
    assert [tuple(features.shape[-2:]) for features in maps] == [(8, 8), (4, 4)]


def test_channels_are_those_of_the_task_and_no_option():
    with pytest.raises(UserError, match="the option 'in_chans' is not one that shapes"):
        encoder(3, in_chans=2)


def test_colour_weights_are_summed_for_one_channel(tmp_path):
    path = tmp_path / "colour.safetensors"
    colour = encoder(3)
    save_tensors(colour.backbone, path)
    grey = encoder(1, str(path))
    images = torch.randn(2, 1, 32, 32)
    expected = colour.eval()(images.expand(-1, 3, -1, -1))
    for found, features in zip(grey.eval()(images), expected, strict=True):
        assert torch.allclose(found, features, atol=1e-5)


def test_colour_weights_are_repeated_for_more_channels(tmp_path):
    path = tmp_path / "colour.safetensors"
    colour = create_classifier(ClassifierSettings(name="resnet18"), 3, (32, 32))
    save_tensors(colour, path)
    settings = ClassifierSettings(name="resnet18", weights=str(path))
    bands = create_classifier(settings, 3, (32, 32), 5)
    expected = colour.state_dict()["conv1.weight"][:, [0, 1, 2, 0, 1]] * 3 / 5
    assert torch.allclose(bands.state_dict()["conv1.weight"], expected)


@pytest.mark.parametrize("name", small_images.names())
def test_networks_for_small_images_take_other_channels(name):
    network = small_images.create(name, 4, in_channels=2).eval()
    assert network(torch.zeros(1, 2, 16, 16)).shape == (1, 4)


@pytest.mark.parametrize("name", ["resnet18", "mobilenetv2_050"])
def test_a_small_stem_keeps_the_channels(name):
    network = create_classifier(ClassifierSettings(name=name, stem="small"), 2, (32, 32), 4)
    assert network(torch.zeros(2, 4, 32, 32)).shape == (2, 2)
