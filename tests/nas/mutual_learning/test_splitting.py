from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from nas.errors import UserError
from nas.models.classifiers import ClassifierSettings, create_classifier
from nas.models.stems import find_stem
from nas.mutual_learning.splitting import SplitNetwork, interfaces, split
from nas.vision_libraries import timm


def classifier(name: str, classes: int, stem: str, size: int = 64) -> nn.Module:
    settings = ClassifierSettings.model_validate({"name": name, "stem": stem})
    return create_classifier(settings, classes, (size, size))


def outline(name: str, classes: int, stem: str) -> nn.Module:
    """The network without weights, which takes no time to make."""
    with torch.device("meta"):
        network = timm.create_model(name, num_classes=classes)
        if stem == "small":
            found = find_stem(network)
            assert found is not None
            found.make_small()
    return network


def counts(network: SplitNetwork) -> list[int]:
    return [sum(p.numel() for p in part.parameters()) for part in network.parts]


@pytest.mark.parametrize(
    ("name", "classes", "stem", "expected"),
    [
        ("resnet18", 100, "small", [675_392, 10_544_740]),
        ("resnet34", 100, "small", [1_340_224, 19_988_068]),
        ("resnet18", 200, "standard", [683_072, 10_596_040]),
        ("resnet50", 200, "standard", [1_444_928, 22_472_904]),
        ("resnext50_32x4d", 200, "standard", [1_412_416, 21_977_288]),
        ("wide_resnet50_2", 200, "standard", [4_126_528, 63_117_512]),
    ],
)
def test_halves_have_the_published_numbers_of_parameters(
    name: str, classes: int, stem: str, expected: list[int]
) -> None:
    network = split(outline(name, classes, stem), ["layer2"], name)
    assert counts(network) == expected


def test_three_parts_have_the_published_numbers_of_parameters() -> None:
    network = split(outline("resnet18", 200, "standard"), ["layer1", "layer2"])
    assert counts(network)[:2] == [157_504, 525_568]


@pytest.mark.parametrize(
    ("name", "cuts"),
    [
        ("resnet18", ["layer2"]),
        ("resnet18", ["layer1", "layer3"]),
        ("mobilenetv2_100", ["blocks.3"]),
        ("resnet20", ["stage2"]),
    ],
)
def test_parts_compute_what_the_network_computes(name: str, cuts: list[str]) -> None:
    network = classifier(name, 10, "auto", 32).eval()
    images = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(split(network, cuts)(images), network(images))


def test_parts_share_the_weights_of_the_network() -> None:
    network = outline("resnet18", 10, "small")
    parts = split(network, ["layer2"]).parts
    own = {id(parameter) for parameter in network.parameters()}
    assert {id(p) for part in parts for p in part.parameters()} == own


def test_the_state_keeps_its_names() -> None:
    network = outline("resnet18", 10, "small")
    names = {f"network.{key}" for key in network.state_dict()}
    assert set(split(network, ["layer2"]).state_dict()) == names


def test_interfaces_tells_the_shape_at_every_cut() -> None:
    network = split(outline("resnet18", 10, "standard"), ["layer1", "layer2"])
    assert interfaces(network, (1, 3, 64, 64)) == (((64, 16, 16),), ((128, 8, 8),))


def test_interfaces_keeps_training_mode_and_statistics() -> None:
    network = split(classifier("resnet20", 10, "auto", 32), ["stage2"])
    before = network.state_dict()["network.stem.1.running_mean"].clone()
    interfaces(network, (1, 3, 32, 32))
    assert network.training
    assert torch.equal(network.state_dict()["network.stem.1.running_mean"], before)


class Skipping(nn.Module):
    """The last layer takes what the first one gave, too."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.third = (nn.Linear(4, 4) for _ in range(3))

    def forward(self, values: Tensor) -> Tensor:
        early: Tensor = self.first(values)
        return self.third(self.second(early)) + early


def test_a_connection_past_the_cut_is_refused() -> None:
    with pytest.raises(UserError, match=r"cannot be cut after 'second'.*needs 'first' too"):
        split(Skipping(), ["second"])


def test_a_cut_before_the_connection_begins_is_taken() -> None:
    network = Skipping()
    values = torch.ones(1, 4)
    assert torch.equal(split(network, ["first"])(values), network(values))


class Repeating(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, values: Tensor) -> Tensor:
        return self.layer(self.layer(values))


def test_a_module_that_runs_twice_is_refused() -> None:
    with pytest.raises(UserError, match="runs 2 times"):
        split(Repeating(), ["layer"])


class Branching(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, values: Tensor) -> Tensor:
        return self.layer(values) if values.sum() > 0 else values


def test_a_forward_that_depends_on_values_is_refused() -> None:
    with pytest.raises(UserError, match="cannot be traced"):
        split(Branching(), ["layer"])


class Dropping(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, values: Tensor) -> Tensor:
        return nn.functional.dropout(self.layer(values), training=self.training)


def test_a_forward_that_differs_in_training_is_refused() -> None:
    with pytest.raises(UserError, match="differs between training and evaluation"):
        split(Dropping(), ["layer"])


@pytest.mark.parametrize(
    ("cuts", "message"),
    [
        ([], "at least one"),
        (["layer9"], "no module 'layer9'.*layer1, layer2"),
        (["layer1", "layer1"], "named twice"),
        (["layer2", "layer1"], r"in the order in which they run: \['layer1', 'layer2'\]"),
    ],
)
def test_wrong_cuts_are_refused(cuts: list[str], message: str) -> None:
    network = outline("resnet18", 10, "small")
    with pytest.raises(UserError, match=message):
        split(network, cuts)
