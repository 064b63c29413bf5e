from __future__ import annotations

import pytest
import torch
from pydantic import ValidationError

from nas.errors import UserError
from nas.models.face_networks import SelectedNetwork
from nas.models.face_settings import FaceNetworkSettings

CHANNELS = {"rgb": 3, "depth": 1, "ir": 1}
SMALL = {"options": {"layers": [1, 1, 1, 1], "channels": [8, 8, 16, 16]}}


def made(**settings):
    torch.manual_seed(0)
    network = FaceNetworkSettings(**{**SMALL, **settings}).with_channels(CHANNELS)
    return network.create(2, (32, 32)).eval()


@pytest.fixture
def images():
    return torch.randn(3, 5, 32, 32)


def test_every_branch_sees_its_own_modality():
    network, seen = made(), {}
    for name, branch in network.branches.items():
        branch.register_forward_pre_hook(
            lambda module, given, name=name: seen.update({name: given[0].unique().tolist()})
        )
    values = torch.tensor([1.0, 1.0, 1.0, 2.0, 3.0])
    network(values[None, :, None, None].expand(1, 5, 32, 32))
    assert seen == {"rgb": [1.0], "depth": [2.0], "ir": [3.0]}


def test_branches_share_no_parameter_and_have_as_many():
    branches = made().branches
    counts = {
        name: sum(p.numel() for p in branch.parameters()) for name, branch in branches.items()
    }
    assert counts["rgb"] - counts["ir"] == 2 * 64 * 9
    assert counts["depth"] == counts["ir"]
    assert len({id(p) for p in branches.parameters()}) == 3 * len(list(branches["ir"].parameters()))


def test_the_preset_joins_three_branches_of_128_channels():
    network = FaceNetworkSettings().with_channels(CHANNELS).create(2, (32, 32))
    first = network.stages[0][0]
    assert (first.conv1.in_channels, first.downsample[0].in_channels) == (384, 384)
    assert network.branches["rgb"][1].squeeze.out_features == 8
    assert network.branches["rgb"][0][0].kernel_size == (3, 3)
    assert (network.fc.in_features, network.fc.out_features) == (512, 2)


def test_a_student_takes_its_inputs_in_one_branch(images):
    network = made(name="se_resnet18", inputs=("rgb",))
    assert list(network.branches) == ["all"]
    other = images.clone()
    other[:, 3:] = 0
    assert torch.equal(network(images), network(other))
    assert made(name="se_resnet18").branches["all"][0][0].in_channels == 5


def test_any_network_can_take_some_inputs(images):
    network = made(name="resnet18", inputs=("ir", "depth"))
    assert isinstance(network, SelectedNetwork)
    other = images.clone()
    other[:, :3] = 0
    assert torch.equal(network(images), network(other))
    assert not isinstance(made(name="resnet18"), SelectedNetwork)


def test_any_chain_of_stages_can_have_branches(images):
    network = made(name="resnet18", fusion="branches", fuse_at=4, inputs=("rgb", "ir"))
    assert list(network.branches) == ["rgb", "ir"]
    assert network(images).shape == (3, 2)


def test_without_a_max_pool_maps_are_larger(images):
    sizes = []
    for max_pool in (True, False):
        network = made(max_pool=max_pool)
        network.stages.register_forward_hook(lambda m, given, out: sizes.append(out.shape[2:]))
        network(images)
    assert sizes == [(1, 1), (2, 2)]


@pytest.mark.parametrize("settings", [{}, {"name": "resnet18", "inputs": ("rgb",)}])
def test_a_file_tells_all_of_a_network(images, settings):
    network = made(**settings)
    told = FaceNetworkSettings(**{**SMALL, **settings}).with_channels(CHANNELS).as_built(network)
    again = FaceNetworkSettings(**told.model_dump()).build(2, (32, 32), 5).eval()
    again.load_state_dict(network.state_dict())
    assert torch.equal(network(images), again(images))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"inputs": ("rbg",)}, "no input 'rbg'"),
        ({"fuse_at": 3}, "no map at stride 3 to join modalities at; fuse_at can be 2 or 4"),
        ({"name": "mobilenetv2_100", "fusion": "branches", "options": {}}, "no chain of stages"),
        ({"name": "convnext_atto", "fusion": "branches", "options": {}}, "LayerNorm2d"),
        (
            {"name": "regnetx_002", "fusion": "branches", "options": {}, "max_pool": False},
            "has no max-pool",
        ),
    ],
)
def test_what_cannot_be_joined_is_refused_in_a_sentence(settings, message):
    with pytest.raises(UserError, match=message):
        made(**settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"name": "resnet18", "fuse_at": 4}, "fuse_at belongs to networks with branches"),
        ({"name": "resnet18", "max_pool": False}, "max_pool belongs to networks with branches"),
        ({"fusion": "branches"}, "is what it is; leave fusion out"),
        ({"weights": "imagenet"}, "starts from random weights"),
    ],
)
def test_settings_without_effect_are_refused(settings, message):
    with pytest.raises(ValidationError, match=message):
        FaceNetworkSettings(**settings)
