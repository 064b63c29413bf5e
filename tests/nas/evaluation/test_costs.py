from __future__ import annotations

import random
from types import SimpleNamespace

import pytest
import torch
from torch import nn

import latency
from latency import Counts, LatencyError, count_of_maps
from nas.evaluation import costs as module
from nas.evaluation.costs import CostMeter
from nas.models.encoder import Encoder, EncoderSettings, fingerprint
from nas.models.segmentation import SegmentationNetwork, without_auxiliary

SMALL = "lcnet_035"


@pytest.fixture(scope="module")
def encoder():
    return Encoder(EncoderSettings(name=SMALL, weights="none")).eval()


def sample(space, number):
    generator = random.Random(number)
    return space.genotype({d.name: generator.choice(d.options) for d in space.decisions})


def counted(meter, encoder, genotype, size):
    network = SegmentationNetwork(encoder, without_auxiliary(meter.build(genotype)))
    figures = latency.count(network, (1, 3, *size))
    return {
        "params": figures.parameters,
        "macs": figures.macs,
        "flops": figures.flops,
    }


@pytest.mark.parametrize("size", [(32, 32), (60, 84)])
def test_costs_are_those_of_the_whole_deployed_network(space, encoder, size):
    meter = CostMeter(space, encoder, 11, size)
    for number in range(2):
        genotype = sample(space, number)
        assert meter.counts(genotype) == counted(meter, encoder, genotype, size)


def test_costs_of_a_candidate_whose_cell_is_empty(space, encoder):
    meter = CostMeter(space, encoder, 11, (32, 32))
    genotype = space.parse("[[10,[0,0,10,10]],[[3,2],[3,0]]]")
    assert meter.counts(genotype) == counted(meter, encoder, genotype, (32, 32))


def test_the_encoder_is_included_and_left_alone(space, encoder):
    before = fingerprint(encoder.state_dict())
    figures = CostMeter(space, encoder, 11, (32, 32)).counts(sample(space, 0))
    alone = latency.count(encoder, (1, 3, 32, 32))
    assert figures["params"] > alone.parameters == 136_810
    assert figures["flops"] > alone.flops
    assert figures["flops"] == 2 * figures["macs"]
    assert fingerprint(encoder.state_dict()) == before
    assert next(encoder.parameters()).device.type == "cpu"


def test_auxiliary_heads_cost_nothing(space, encoder):
    import search_spaces

    bare = search_spaces.create("fastnas", **{**space.options, "auxiliary": "none"})
    with_heads, without = (CostMeter(s, encoder, 11, (32, 32)) for s in (space, bare))
    genotype = sample(space, 1)
    assert with_heads.counts(genotype) == without.counts(genotype)


def test_an_evaluation_has_the_costs_that_are_counted_without_training(
    space, prepared, evaluate, genotypes
):
    meter = CostMeter(space, prepared.encoder, 11, (32, 32))
    assert evaluate().costs == meter.counts(genotypes.first)


def test_latency_is_measured_on_the_deployed_network(space, encoder, monkeypatch):
    seen = []

    def measure(network, shape, device):
        heads = len(network.decoder.auxiliary_heads)
        seen.append((shape, device, heads, network.training))
        return SimpleNamespace(median_ms=2.5, to_dict=lambda: {"runs": 30})

    monkeypatch.setattr(module.latency, "measure", measure)
    meter = CostMeter(space, encoder, 11, (32, 48), latency_device="cpu")
    figures, details = meter.measured(sample(space, 2))
    assert seen == [((1, 3, 32, 48), "cpu", 0, False)]
    assert figures == meter.counts(sample(space, 2)) | {"latency": 2.5}
    assert details == {"latency": {"runs": 30}}


def test_without_a_device_nothing_is_measured(space, encoder):
    meter = CostMeter(space, encoder, 11, (32, 32))
    figures, details = meter.measured(sample(space, 2))
    assert set(figures) == {"params", "macs", "flops"}
    assert details == {}


class Sum(nn.Module):
    """Two maps, each through a convolution of its own; the batch norm costs nothing."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 4, 1, bias=False), nn.Conv2d(5, 4, 3, bias=False)
        self.norm = nn.BatchNorm2d(4)

    def forward(self, maps):
        return self.norm(self.first(maps[0])).sum() + self.second(maps[1]).sum()


SHAPES = [(1, 3, 8, 8), (1, 5, 6, 6)]
MACS = 3 * 4 * 64 + 5 * 4 * 9 * 16


def test_a_network_of_several_maps_is_counted():
    expected = Counts(3 * 4 + 5 * 4 * 9 + 8, MACS, 2 * MACS)
    assert count_of_maps(Sum(), SHAPES) == expected
    assert count_of_maps(Sum().eval().to("meta"), SHAPES) == expected


def test_a_network_on_the_meta_device_in_training_mode_is_counted():
    model = Sum().to("meta")
    assert count_of_maps(model, SHAPES).macs == MACS
    assert model.training


def test_a_counted_network_is_left_as_it_was():
    model = Sum()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    count_of_maps(model, SHAPES)
    assert model.training
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_a_wrong_shape_of_a_map_is_refused():
    with pytest.raises(LatencyError, match=r"\(5, 6, 6\) is not four positive integers"):
        count_of_maps(Sum(), [(1, 3, 8, 8), (5, 6, 6)])
