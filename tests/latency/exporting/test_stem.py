from __future__ import annotations

import onnx
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from latency import ExportError, LatencyError, StemExporter, check_onnx, export_onnx
from latency.exporting import stem as stem_module

SHAPE = (1, 3, 16, 24)


class Stem(nn.Module):
    """Gives three maps."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU())
        self.second = nn.Sequential(nn.Conv2d(4, 6, 3, stride=2), nn.ReLU(inplace=True))
        self.third = nn.Conv2d(6, 8, 1)

    def forward(self, image: torch.Tensor) -> list[torch.Tensor]:
        first = self.first(image)
        second = self.second(first)
        return [first, second, self.third(second)]


class Network(nn.Module):
    """A stem, and any function of the image and the maps."""

    def __init__(self, stem: nn.Module, follow, channels: int = 8) -> None:
        super().__init__()
        self.stem = stem
        self.head = nn.Sequential(nn.Conv2d(channels, 5, 1), nn.BatchNorm2d(5))
        self.follow = follow

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.follow(self, image, self.stem(image))


def _last(network, image, maps):
    return F.interpolate(network.head(maps[2]), size=image.shape[-2:])


def _first(network, image, maps):
    return network.head(maps[0])


def _all(network, image, maps):
    last = F.interpolate(network.head(maps[2]), size=maps[0].shape[-2:])
    return last + maps[0].mean(1, keepdim=True) + maps[1].mean()


def _with_image(network, image, maps):
    return _last(network, image, maps) * image.mean(1, keepdim=True)


def _in_place(network, image, maps):
    return F.relu_(maps[2].sub(0.1)) + F.relu(maps[1], inplace=True).mean()


@pytest.fixture
def stem() -> Stem:
    torch.manual_seed(0)
    stem = Stem().eval()
    nn.init.uniform_(stem.first[1].running_var, 0.5, 2.0)
    return stem.requires_grad_(False)


@pytest.fixture
def traced(monkeypatch) -> list[int]:
    """How many calls each recording had that was traced."""
    counts: list[int] = []
    trace = stem_module.trace_onnx

    def counting(recording, *args):
        counts.append(len(recording.calls))
        trace(recording, *args)

    monkeypatch.setattr(stem_module, "trace_onnx", counting)
    return counts


def check(exporter, network, path) -> None:
    """The file computes what the network does, with the nodes of the ordinary one."""
    whole = export_onnx(network, SHAPE, path.with_name("whole.onnx"))
    assert exporter(network, SHAPE, path) == path
    assert check_onnx(network, path, SHAPE) < 1e-4
    graphs = [onnx.load(file).graph for file in (whole, path)]
    kinds = [sorted(node.op_type for node in graph.node) for graph in graphs]
    assert kinds[0] == kinds[1]
    assert len(graphs[0].initializer) == len(graphs[1].initializer)


@pytest.mark.parametrize("follow", [_last, _all, _with_image, _in_place])
def test_the_file_is_that_of_the_whole_network(stem, tmp_path, traced, follow):
    check(StemExporter(stem), Network(stem, follow).eval(), tmp_path / "network.onnx")
    assert len(traced) == 2


def test_the_stem_is_traced_once(stem, tmp_path, traced):
    exporter = StemExporter(stem)
    for number, follow in enumerate((_all, _last, _with_image, _all)):
        check(exporter, Network(stem, follow).eval(), tmp_path / f"{number}.onnx")
    # Six calls of the stem, then what follows four times.
    assert len(traced) == 5
    assert traced[0] == 6


def test_a_stem_that_is_left_elsewhere_is_traced_again_with_both_places(stem, tmp_path, traced):
    exporter = StemExporter(stem)
    networks = [Network(stem, _last).eval(), Network(stem, _first, channels=4).eval()]
    for number in (0, 1, 0, 1):
        check(exporter, networks[number], tmp_path / "network.onnx")
    assert traced.count(6) == 2
    assert len(traced) == 6


def test_a_stem_that_was_trained_is_traced_again(stem, tmp_path, traced):
    exporter, network = StemExporter(stem), Network(stem, _last).eval()
    check(exporter, network, tmp_path / "network.onnx")
    with torch.no_grad():
        stem.third.weight.mul_(2)
    check(exporter, network, tmp_path / "network.onnx")
    assert traced.count(6) == 2


def test_another_size_is_traced_again(stem, tmp_path):
    exporter, network = StemExporter(stem), Network(stem, _last).eval()
    for shape in (SHAPE, (1, 3, 32, 8), SHAPE):
        path = exporter(network, shape, tmp_path / "network.onnx")
        assert check_onnx(network, path, shape) < 1e-4


def test_a_network_that_is_not_ready_is_copied_and_left_alone(stem, tmp_path):
    network = Network(stem, _last).train()
    path = StemExporter(stem)(network, SHAPE, tmp_path / "network.onnx")
    assert network.training
    assert check_onnx(network, path, SHAPE) < 1e-4


def test_networks_without_the_stem_are_exported_as_a_whole(stem, tmp_path, traced):
    exporter = StemExporter(stem)
    other = Network(Stem(), _last).eval()
    check(exporter, other, tmp_path / "other.onnx")
    check(exporter, nn.Sequential(nn.Conv2d(3, 2, 1), nn.ReLU()).eval(), tmp_path / "plain.onnx")
    assert traced == []


@pytest.mark.parametrize(
    "follow",
    [
        lambda network, image, maps: maps[2],
        lambda network, image, maps: network.stem.third(image.repeat(1, 2, 1, 1)) + maps[0].mean(),
        lambda network, image, maps: image * 2,
        lambda network, image, maps: torch.ones(1, 2, 3, 4),
    ],
    ids=["the stem is all", "the stem is met again", "the stem is not followed", "a constant"],
)
def test_networks_of_other_forms_are_exported_as_a_whole(stem, tmp_path, traced, follow):
    check(StemExporter(stem), Network(stem, follow).eval(), tmp_path / "network.onnx")
    assert traced == []


def test_what_cannot_be_exported_is_refused_and_leaves_no_file(stem, tmp_path):
    network = Network(stem, lambda network, image, maps: torch.linalg.svdvals(maps[2])).eval()
    with pytest.raises(ExportError, match="cannot be exported to ONNX"):
        StemExporter(stem)(network, SHAPE, tmp_path / "network.onnx")
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_shape_is_refused(stem, tmp_path):
    with pytest.raises(LatencyError, match="four positive integers"):
        StemExporter(stem)(Network(stem, _last).eval(), (3, 16, 24), tmp_path / "network.onnx")
