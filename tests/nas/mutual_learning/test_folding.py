from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from nas.errors import UserError
from nas.models.classifiers import ClassifierSettings, create_classifier
from nas.mutual_learning.folding import fold
from nas.mutual_learning.splitting import split


def network_of(name: str) -> nn.Module:
    torch.manual_seed(0)
    network = create_classifier(ClassifierSettings(name=name), 10, (32, 32))
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            # Fresh statistics are the same for every channel, which would hide a wrong order.
            for values in (module.running_mean, module.weight.data, module.bias.data):
                assert values is not None
                values.uniform_(0.5, 1.5)
    return network.eval()


def permutation(size: int) -> Tensor:
    return torch.randperm(size, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    ("name", "place", "channels"),
    [("resnet18", "layer2", 128), ("resnet20", "stage2", 32), ("mobilenetv2_100", "blocks.2", 32)],
)
def test_folding_permutes_the_maps_and_keeps_the_function(
    name: str, place: str, channels: int
) -> None:
    network, order = network_of(name), permutation(channels)
    images = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(2))
    cut = split(network, [place])
    with torch.no_grad():
        maps, logits = cut.parts[0](images), network(images)
        fold(network, place, order)
        torch.testing.assert_close(cut.parts[0](images), maps[:, order], rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(network(images), logits, rtol=1e-3, atol=1e-3)
        assert not torch.allclose(cut.parts[0](images), maps, atol=1e-2)


def test_the_identity_changes_no_weight() -> None:
    network = network_of("resnet20")
    before = {key: value.clone() for key, value in network.state_dict().items()}
    fold(network, "stage2", torch.arange(32))
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


def test_a_grouped_convolution_is_refused() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 1, groups=2))
    before = network[0].weight.clone()
    with pytest.raises(UserError, match="does not keep them apart"):
        fold(network, "0", permutation(4))
    assert torch.equal(network[0].weight, before)


class Joining(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 4, 1), nn.Conv2d(8, 2, 1)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.first(images)
        joined: Tensor = self.second(torch.cat([maps, maps], dim=1))
        return joined


def test_a_concatenation_is_refused() -> None:
    with pytest.raises(UserError, match="'cat' does not keep them apart"):
        fold(Joining(), "first", permutation(4))
