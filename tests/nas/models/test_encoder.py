from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from nas.errors import UserError
from nas.models.encoder import Encoder, EncoderSettings
from nas.vision_libraries import timm

SMALL = "mobilenetv2_035"


def make(name=SMALL, weights="none", strides=(4, 8, 16, 32), **options):
    return Encoder(EncoderSettings(name=name, weights=weights, options=options), strides)


def test_mobilenetv2_gives_four_strides_with_its_published_size():
    encoder = make("mobilenetv2_100")
    assert encoder.strides == (4, 8, 16, 32)
    assert encoder.channels == (24, 32, 96, 320)
    assert sum(parameter.numel() for parameter in encoder.parameters()) == 1_811_712


def test_the_default_is_mobilenetv2_trained_on_the_task():
    settings = EncoderSettings()
    assert (settings.name, settings.weights, settings.options) == ("mobilenetv2_100", "task", {})


@pytest.mark.parametrize(
    ("size", "sides"),
    [
        ((64, 64), [(16, 16), (8, 8), (4, 4), (2, 2)]),
        ((60, 84), [(15, 21), (8, 11), (4, 6), (2, 3)]),
    ],
)
@pytest.mark.parametrize("options", [{}, {"pad_type": "same"}])
def test_maps_have_the_channels_and_sides_of_their_stride(size, sides, options):
    encoder = make(**options).eval()
    maps = encoder(torch.randn(2, 3, *size))
    assert [tuple(m.shape[-2:]) for m in maps] == sides
    assert tuple(m.shape[1] for m in maps) == encoder.channels == (8, 16, 32, 112)


def test_some_of_the_strides_are_enough():
    encoder = make(strides=(2, 16)).eval()
    assert (encoder.strides, encoder.channels) == ((2, 16), (8, 32))
    assert [m.shape[-1] for m in encoder(torch.randn(1, 3, 64, 64))] == [32, 4]


def test_options_reach_the_backbone():
    stem = make(pad_type="same").backbone.conv_stem
    images = torch.randn(1, 3, 8, 8)
    # SAME padding of an even side is one pixel, at the far end.
    expected = functional.conv2d(functional.pad(images, (0, 1, 0, 1)), stem.weight, stride=2)
    torch.testing.assert_close(stem(images), expected)
    assert make().backbone.conv_stem.padding == (1, 1)


def test_an_unknown_backbone_is_named():
    with pytest.raises(UserError, match=r"encoder 'mobilenet9' cannot be made: .*mobilenet9"):
        make("mobilenet9")


@pytest.mark.parametrize(
    "options",
    [{"patch_size": 1}, {"act_layer": "bogus"}],
    ids=lambda options: next(iter(options)),
)
def test_an_option_that_the_backbone_cannot_take_is_refused(options):
    with pytest.raises(UserError, match=f"encoder '{SMALL}' cannot be made"):
        make(**options)


@pytest.mark.parametrize("option", ["bogus", "pretrained", "out_indices", "checkpoint_path"])
def test_an_option_that_does_not_shape_the_backbone_is_refused(option):
    with pytest.raises(UserError, match=f"encoder '{SMALL}': the option '{option}' is not one"):
        make(**{option: 1})


@pytest.mark.parametrize(("name", "strides"), [(SMALL, (4, 64)), ("resnet18", (3, 4))])
def test_a_stride_that_the_backbone_lacks_is_refused(name, strides):
    lacking = [stride for stride in strides if stride != 4]
    with pytest.raises(UserError, match=rf"'{name}' gives strides .*\[{lacking[0]}\] are needed"):
        make(name, strides=strides)


def test_imagenet_weights_are_asked_of_timm(monkeypatch):
    asked = []
    create = timm.create_model

    def record(name, pretrained, **options):
        asked.append((name, pretrained))
        return create(name, pretrained=False, **options)

    monkeypatch.setattr(timm, "create_model", record)
    for weights in ("imagenet", "task", "none"):
        make(weights=weights)
    assert asked == [(SMALL, True), (SMALL, False), (SMALL, False)]


@pytest.mark.parametrize("kind", [OSError, RuntimeError, ConnectionError])
def test_weights_that_cannot_be_fetched_give_one_sentence(monkeypatch, kind):
    def unreachable(*args, **options):
        raise kind("cannot find the\nhub")

    monkeypatch.setattr(timm, "create_model", unreachable)
    with pytest.raises(UserError) as caught:
        make(weights="imagenet")
    assert str(caught.value) == (
        f"encoder '{SMALL}' cannot be made: cannot find the hub "
        "(are the weights reachable from here?)."
    )


def test_an_unknown_key_is_refused():
    with pytest.raises(ValueError, match="weight"):
        EncoderSettings(weight="none")


# Counted by hand from the layers of MobileNetV2: stem 928, first block 896, two blocks with 24
# channels 5136 and 8832, three with 32 channels 10000 and twice 14848.
def test_what_lies_behind_the_last_map_is_not_built() -> None:
    settings = EncoderSettings(name="mobilenetv2_100", weights="none")
    encoder = Encoder(settings, strides=(4, 8))
    assert sum(parameter.numel() for parameter in encoder.parameters()) == 55488
    assert encoder.channels == (24, 32)
    whole = Encoder(settings)
    encoder.load_state_dict(
        {key: value for key, value in whole.state_dict().items() if key in encoder.state_dict()}
    )
    images = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        maps, all_maps = encoder.eval()(images), whole.eval()(images)
    assert all(torch.equal(a, b) for a, b in zip(maps, all_maps[:2], strict=True))


@pytest.mark.parametrize("name", ["resnet18", "convnext_atto", SMALL])
def test_every_family_of_backbones_can_be_shortened(name) -> None:
    short = Encoder(EncoderSettings(name=name, weights="none"), strides=(4, 8))
    whole = Encoder(EncoderSettings(name=name, weights="none"))
    sizes = [sum(p.numel() for p in encoder.parameters()) for encoder in (short, whole)]
    assert sizes[0] < sizes[1] / 2
