from __future__ import annotations

import copy
from collections import OrderedDict

import pytest
import torch
from torch import nn

from nas.distillation import find_path, shapes
from nas.vision_libraries import timm


def conv(channels_in, channels_out, stride=2):
    return nn.Conv2d(channels_in, channels_out, 3, stride=stride, padding=1)


def small(**more):
    """Maps at strides 1, 2, 4 and 8."""
    modules = {
        "stem": conv(3, 4, stride=1),
        "norm": nn.BatchNorm2d(4),
        "second": conv(4, 4),
        "drop": nn.Dropout(),
        "fourth": conv(4, 6),
        "eighth": conv(6, 8),
        "pool": nn.AdaptiveAvgPool2d(1),
        "flatten": nn.Flatten(),
        "classifier": nn.Linear(8, 10),
    }
    return nn.Sequential(OrderedDict(modules | more))


class Block(nn.Module):
    """Expands at the stride of its input and has a gate by pooling."""

    def __init__(self):
        super().__init__()
        self.expand = nn.Conv2d(6, 12, 1)
        self.reduce = conv(12, 8)
        self.gate = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(8, 8, 1))

    def forward(self, maps):
        maps = self.reduce(self.expand(maps))
        return maps * self.gate(maps)


@pytest.mark.parametrize(
    ("name", "size", "expected"),
    [
        ("resnet18", 32, {8: "layer2", 16: "layer3", "last": "layer3"}),
        ("resnet18", 64, {2: "act1", 4: "layer1", 8: "layer2", 16: "layer3"}),
        ("mobilenetv2_100", 64, {4: "blocks.1", 16: "blocks.4", "last": "bn2"}),
        ("ghostnet_100", 64, {8: "blocks.4", 16: "blocks.6", "last": "blocks"}),
        # A gate by pooling grows with the image, and everything gets past it.
        ("ghostnetv2_100", 64, {16: "blocks.6", "last": "blocks"}),
        ("vgg11_bn", 32, {8: "features.20", "last": "features.27"}),
        ("convnext_atto", 32, {8: "stages.1", "last": "stages.2"}),
    ],
)
def test_stages_of_networks_from_timm(name, size, expected):
    network = timm.create_model(name, num_classes=10)
    shape = (1, 3, size, size)
    assert {s: find_path(network, f"stride={s}", shape) for s in expected} == expected


@pytest.mark.parametrize(
    ("name", "path", "width"),
    [("resnet18", "global_pool", 512), ("ghostnet_100", "flatten", 1280)],
)
def test_penultimate_is_the_vector_before_the_classifier(name, path, width):
    network = timm.create_model(name, num_classes=10)
    assert find_path(network, "penultimate", (1, 3, 32, 32)) == path
    assert shapes(network, [path], (1, 3, 32, 32)) == {path: (1, width)}


def test_penultimate_is_no_logit_of_a_classifier_by_convolution():
    network = small(flatten=nn.Conv2d(8, 10, 1), classifier=nn.Flatten())
    assert find_path(network, "penultimate", (1, 3, 32, 32)) == "pool"


def test_penultimate_is_the_last_map_where_there_is_no_vector():
    network = nn.Sequential(conv(3, 4), conv(4, 5, stride=1), nn.ReLU())
    assert find_path(network, "penultimate", (1, 3, 32, 32)) == "2"


@pytest.mark.parametrize("size", [16, 28, 32, 33, 50])
def test_sizes_are_rounded(size):
    found = {s: find_path(small(), f"stride={s}", (1, 3, size, size)) for s in (1, 2, 4, 8)}
    assert found == {1: "norm", 2: "drop", 4: "fourth", 8: "eighth"}


def test_sizes_are_rounded_down_by_pooling_too():
    network = small(fourth=nn.Conv2d(4, 6, 1), eighth=nn.Sequential(nn.MaxPool2d(2), conv(6, 8)))
    assert find_path(network, "stride=8", (1, 3, 28, 30)) == "eighth"
    assert shapes(network, ["eighth.0"], (1, 3, 30, 28)) == {"eighth.0": (1, 6, 7, 7)}


def test_a_pooled_map_of_one_position_is_at_no_stride():
    with pytest.raises(ValueError, match=r"no map at stride 16; it has 1, 2, 4, 8"):
        find_path(small(), "stride=16", (1, 3, 16, 16))


def test_the_inside_of_a_block_that_changes_the_stride_comes_last():
    network = small(eighth=Block())
    assert find_path(network, "stride=4", (1, 3, 16, 16)) == "fourth"
    assert find_path(network, "stride=8", (1, 3, 16, 16)) == "eighth"


def test_a_map_of_one_position_is_at_no_stride():
    with pytest.raises(ValueError, match="no map at stride 8; it has 1, 2, 4"):
        find_path(small(), "stride=8", (1, 3, 8, 8))


class Shortcut(nn.Module):
    """A branch at a stride of its own beside a shortcut."""

    def __init__(self):
        super().__init__()
        self.branch = conv(4, 4)

    def forward(self, maps):
        return maps + nn.functional.interpolate(self.branch(maps), maps.shape[2:])


def test_a_branch_beside_a_shortcut_is_at_no_stride():
    network = nn.Sequential(OrderedDict(first=conv(3, 4), block=Shortcut(), last=conv(4, 5)))
    assert find_path(network, "stride=2", (1, 3, 32, 32)) == "block"
    assert find_path(network, "stride=4", (1, 3, 32, 32)) == "last"
    branched = nn.Sequential(OrderedDict(first=conv(3, 4), block=Shortcut(), act=nn.ReLU()))
    with pytest.raises(ValueError, match="no map at stride 4; it has 2"):
        find_path(branched, "stride=4", (1, 3, 32, 32))


@pytest.mark.parametrize("name", ["vit_tiny_patch16_224", "swin_tiny_patch4_window7_224"])
def test_networks_of_tokens_have_no_strides(name):
    network = timm.create_model(name, num_classes=10, img_size=32)
    with pytest.raises(ValueError, match="works on tokens, so it has no 'stride=last'"):
        find_path(network, "stride=last", (1, 3, 32, 32))
    assert find_path(network, "penultimate", (1, 3, 32, 32)).startswith("head")


def test_the_inside_of_a_block_is_taken_where_nothing_else_has_the_stride():
    network = small(fourth=nn.Identity(), eighth=nn.Sequential(conv(4, 6), Block()))
    assert find_path(network, "stride=4", (1, 3, 32, 32)) == "eighth.0"
    network = nn.Sequential(conv(3, 6), Block())
    assert (
        find_path(nn.Sequential(network, nn.Conv2d(8, 6, 1), Block()), "stride=8", (1, 3, 32, 32))
        == "2"
    )


def test_a_module_called_at_several_strides_counts_where_it_is_called_last():
    class Shared(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second, self.act = conv(3, 4), conv(4, 4), nn.ReLU()

        def forward(self, images):
            return self.act(self.second(self.act(self.first(images))))

    assert find_path(Shared(), "stride=2", (1, 3, 32, 32)) == "first"
    assert find_path(Shared(), "stride=4", (1, 3, 32, 32)) == "act"


def test_a_network_for_one_size_only_has_strides_too():
    network = small(classifier=nn.Linear(4 * 8, 10), pool=nn.AdaptiveMaxPool2d(2))
    network.pool = nn.Identity()
    assert find_path(network, "stride=last", (1, 3, 16, 16)) == "pool"
    assert find_path(network, "stride=4", (1, 3, 16, 16)) == "fourth"
    with pytest.raises(RuntimeError):
        network(torch.zeros(1, 3, 32, 32))


def test_a_network_for_one_size_only_keeps_pooled_maps_apart():
    network = small(classifier=nn.Linear(8, 10), pool=nn.AvgPool2d(4))
    assert find_path(network, "stride=last", (1, 3, 32, 32)) == "eighth"


def test_a_module_path_is_a_place():
    assert find_path(small(), "fourth", (1, 3, 32, 32)) == "fourth"


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("fuorth", "did you mean 'fourth'"),
        ("", "no module ''"),
        ("stride=3", "it has 1, 2, 4, 8"),
        ("stride=coarse", "whole number or 'last', not 'coarse'"),
        ("stride=-2", "whole number"),
    ],
)
def test_a_wrong_place_is_refused(place, message):
    with pytest.raises(ValueError, match=message):
        find_path(small(), place, (1, 3, 32, 32))


def test_a_network_without_maps_has_no_stride():
    with pytest.raises(ValueError, match="gives no maps"):
        find_path(nn.Sequential(nn.Flatten(), nn.Linear(12, 2)), "stride=last", (1, 3, 2, 2))


def test_the_network_is_left_as_it_was():
    network = small()
    network.train()
    network.norm.eval()
    before = copy.deepcopy(network.state_dict())
    state = torch.get_rng_state()
    find_path(network, "stride=4", (2, 3, 32, 32))
    assert all(torch.equal(tensor, before[key]) for key, tensor in network.state_dict().items())
    assert [module.training for module in (network, network.norm, network.drop)] == [1, 0, 1]
    assert torch.equal(torch.get_rng_state(), state)
    assert not any(module._forward_hooks for module in network.modules())


def test_a_network_that_fails_is_left_as_it_was():
    network = small().train()
    with pytest.raises(RuntimeError):
        find_path(network, "stride=4", (1, 5, 32, 32))
    assert all(module.training for module in network.modules())
    assert not any(module._forward_hooks for module in network.modules())


def test_random_layers_at_work_in_evaluation_leave_the_generator_alone():
    class Noise(nn.Module):
        def forward(self, maps):
            return maps + torch.randn_like(maps)

    network = small(drop=Noise())
    state = torch.get_rng_state()
    find_path(network, "stride=4", (1, 3, 32, 32))
    assert torch.equal(torch.get_rng_state(), state)


def test_shapes_come_from_the_paths():
    expected = {"second": (2, 4, 14, 14), "eighth": (2, 8, 4, 4), "classifier": (2, 10)}
    assert shapes(small(), list(expected), (2, 3, 28, 28)) == expected


def test_a_module_that_is_not_run_has_no_shape():
    network = small()
    network.forward = lambda images: network.classifier(torch.zeros(1, 8))
    with pytest.raises(ValueError, match="'second' is not run"):
        shapes(network, ["second"], (1, 3, 32, 32))
