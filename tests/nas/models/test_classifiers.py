from __future__ import annotations

import pytest
import torch
from safetensors.torch import save_file

from latency import check_onnx, export_onnx
from nas.errors import UserError
from nas.models.classifiers import (
    ClassifierSettings,
    classifier_names,
    create_classifier,
)
from nas.vision_libraries import timm

LIGHT = "mobilenetv2_035"


def make(name=LIGHT, classes=10, size=(32, 32), **settings):
    return create_classifier(ClassifierSettings(name=name, **settings), classes, size)


def count(network):
    return sum(parameter.numel() for parameter in network.parameters())


def last_map(network, side):
    with torch.no_grad():
        return tuple(network.eval().forward_features(torch.randn(1, 3, side, side)).shape[-2:])


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("mobilenetv2_100", 2_236_682),
        ("ghostnet_100", 3_914_318),
        ("efficientnetv2_s", 20_190_298),
        ("resnet18", 11_173_962),
        ("resnext50_32x4d", 22_992_714),
        ("wrn-16-2", 691_674),
    ],
)
def test_networks_of_the_notes_for_small_images(name, parameters):
    network = make(name)
    assert count(network) == parameters
    assert network.training
    assert network(torch.randn(2, 3, 32, 32)).shape == (2, 10)


@pytest.mark.parametrize(
    ("name", "stem", "parameters"),
    [
        # The totals of up and down halves that are published for both stems.
        ("resnet18", "small", 675_392 + 10_544_740),
        ("resnet34", "small", 1_340_224 + 19_988_068),
        ("resnet50", "standard", 1_444_928 + 22_472_904 - 100 * 2049),
        ("wide_resnet50_2", "standard", 4_126_528 + 63_117_512 - 100 * 2049),
    ],
)
def test_networks_for_100_classes_have_their_published_sizes(name, stem, parameters):
    assert count(make(name, classes=100, stem=stem)) == parameters


@pytest.mark.parametrize("name", [LIGHT, "resnet18", "ghostnet_050"])
@pytest.mark.parametrize("side", [28, 64, 224])
def test_logits_at_the_sizes_of_the_tasks(name, side):
    network = make(name, size=(side, side)).eval()
    assert network(torch.randn(2, 3, side, side)).shape == (2, 10)


@pytest.mark.parametrize(
    ("name", "standard", "small"),
    [("resnet18", 1, 4), ("resnet10t", 1, 4), (LIGHT, 1, 2), ("ghostnet_050", 1, 2)],
)
def test_a_small_stem_leaves_larger_maps(name, standard, small):
    assert last_map(make(name, stem="standard"), 32) == (standard, standard)
    assert last_map(make(name, stem="small"), 32) == (small, small)


@pytest.mark.parametrize(("size", "sides"), [((64, 64), 8), ((65, 32), 3), ((224, 224), 7)])
def test_the_stem_follows_the_size_of_the_images(size, sides):
    assert last_map(make("resnet18", size=size), max(size)) == (sides, sides)


def test_the_small_stem_of_a_residual_network_is_one_3x3_convolution():
    network = make("resnet18", stem="small")
    assert network.conv1.weight.shape == (64, 3, 3, 3)
    assert (network.conv1.stride, network.conv1.padding) == ((1, 1), (1, 1))
    assert network.conv1.weight.std().item() == pytest.approx((2 / (64 * 9)) ** 0.5, rel=0.1)
    assert isinstance(network.maxpool, torch.nn.Identity)


@pytest.mark.parametrize("options", [{}, {"pad_type": "same"}])
def test_the_small_stem_of_a_mobile_network_has_stride_1(options):
    network = make(stem="small", options=options).eval()
    assert network.conv_stem(torch.randn(1, 3, 32, 32)).shape == (1, 16, 32, 32)
    assert network.conv_stem.weight.shape == (16, 3, 3, 3)


def test_a_network_whose_stem_is_not_known_keeps_it_or_refuses():
    assert last_map(make("convnext_atto"), 64) == (2, 2)
    with pytest.raises(UserError, match=r"'convnext_atto': how to make its stem small is not kn"):
        make("convnext_atto", stem="small")


def test_a_network_of_one_input_size_is_made_for_that_of_the_task():
    network = make("vit_tiny_patch16_224", size=(32, 48))
    assert network.pos_embed.shape[1] == 1 + 2 * 3


def test_options_reach_timm():
    assert make(options={"drop_rate": 0.25}).drop_rate == 0.25


def test_names_hold_our_networks_and_those_of_timm_once():
    names = classifier_names()
    assert {"wrn_16_2", "convnet_small", "vgg13", "mobilenetv2_100", "resnet50"} <= set(names)
    assert len(names) == len(set(names)) > 1000


def test_our_network_comes_before_that_of_timm():
    assert count(make("vgg13", classes=100)) == 9_462_180


def test_creating_a_network_sets_no_seed():
    torch.manual_seed(0)
    first, second = (make().conv_stem.weight for _ in range(2))
    torch.manual_seed(0)
    assert not torch.equal(first, second)
    assert torch.equal(first, make().conv_stem.weight)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (
            {"name": "mobilenetv2_10"},
            r"no classifier is called 'mobilenetv2_10'; did you mean .*'m",
        ),
        ({"name": "resnet-20x"}, r"did you mean 'resnet20'"),
        ({"name": "xyzzyq"}, r"'xyzzyq'; see timm's models"),
        ({"name": "resnet18.nope"}, r"classifier 'resnet18.nope' cannot be made: .*nope"),
        ({"options": {"act_layer": "bogus"}}, r"cannot be made: .*bogus"),
        ({"options": {"num_classes": 3}}, r"the option 'num_classes' is not one that shapes"),
        ({"options": {"in_chans": 1}}, r"the option 'in_chans' is not one that shapes"),
        (
            {"name": "vit_tiny_patch16_224", "options": {"global_pool": ""}},
            r"does not give one logit for each of 10 classes",
        ),
        ({"classes": 1}, r"1 classes, but 2 are needed"),
        ({"name": "vgg8", "size": (4, 4)}, r"cannot take images of 4 x 4 pixels"),
        ({"name": "vgg8", "options": {"drop": 1}}, r"'vgg8' takes no options, so 'drop' must go"),
        ({"name": "vgg8", "stem": "standard"}, r"'vgg8' is made for small images"),
        ({"name": "vgg8", "weights": "imagenet"}, r"'vgg8' .* has no ImageNet weights"),
    ],
)
def test_what_cannot_be_made_is_refused(settings, sentence):
    with pytest.raises(UserError, match=sentence):
        make(**settings)


def test_an_unknown_stem_is_refused():
    with pytest.raises(ValueError, match="stem"):
        ClassifierSettings(stem="tiny")


@pytest.fixture
def hub(monkeypatch):
    """A hub that gives random weights; what it was asked for."""
    asked = []
    create = timm.create_model

    def record(name, pretrained, **options):
        asked.append(pretrained)
        return create(name, pretrained=False, **options)

    monkeypatch.setattr(timm, "create_model", record)
    return asked


def test_imagenet_weights_are_asked_of_timm_and_keep_their_stem(hub):
    network = make("resnet18", weights="imagenet")
    assert hub == [True]
    assert network.conv1.weight.shape[-1] == 7
    assert isinstance(network.maxpool, torch.nn.MaxPool2d)


def test_imagenet_weights_take_a_stem_that_only_changes_the_stride(hub):
    assert make(weights="imagenet").conv_stem.stride == (1, 1)


def test_imagenet_weights_refuse_a_stem_with_another_kernel(hub):
    with pytest.raises(UserError, match=r"kernel of 3 x 3, the 'imagenet' weights .* 7 x 7; use"):
        make("resnet18", weights="imagenet", stem="small")


def test_weights_that_cannot_be_fetched_give_one_sentence(monkeypatch):
    def unreachable(*arguments, **options):
        raise ConnectionError("cannot find the\nhub")

    monkeypatch.setattr(timm, "create_model", unreachable)
    with pytest.raises(UserError) as caught:
        make(weights="imagenet")
    assert str(caught.value) == (
        f"classifier '{LIGHT}' cannot be made: cannot find the hub "
        "(are the weights reachable from here?)."
    )


@pytest.mark.parametrize(
    "name", [LIGHT, "resnet10t", "ghostnet_050", "resnet8x4", "wrn_16_2", "vgg8", "convnet_small"]
)
def test_every_family_is_exported_to_onnx(name, tmp_path):
    torch.manual_seed(0)
    network = make(name).eval()
    path = export_onnx(network, (1, 3, 32, 32), tmp_path / "model.onnx")
    assert check_onnx(network, path, (1, 3, 32, 32)) < 1e-4


def test_a_network_for_small_images_takes_weights_of_a_file(tmp_path):
    trained = make("wrn_16_2", classes=10)
    save_file(trained.state_dict(), tmp_path / "w.safetensors")
    loaded = make("wrn-16-2", classes=4, weights=str(tmp_path / "w.safetensors"))
    assert torch.equal(loaded.stem.weight, trained.stem.weight)
    assert loaded.classifier.weight.shape == (4, 128)
