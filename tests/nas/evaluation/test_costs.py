from __future__ import annotations

import random
from dataclasses import dataclass, field

import pytest
import torch
from torch import nn

import latency
from latency import Counts, LatencyError, count_of_maps
from latency.costs import Figure, Source, create_cost
from nas.evaluation.costs import COUNTS_ONLY, CostMeter, Extras, second_opinion
from nas.evaluation.evaluation import EmptyNetworkError, EvaluationError
from nas.kinds.segmentation.candidates import SegmentationCandidates
from nas.models.encoder import Encoder, EncoderSettings, fingerprint
from nas.models.segmentation import SegmentationNetwork, without_auxiliary

SMALL = "lcnet_035"


@pytest.fixture(scope="module")
def encoder():
    return Encoder(EncoderSettings(name=SMALL, weights="none")).eval()


def sample(space, number):
    generator = random.Random(number)
    return space.genotype({d.name: generator.choice(d.options) for d in space.decisions})


def meter_of(space, encoder, size, extras=COUNTS_ONLY):
    return CostMeter(SegmentationCandidates(space, encoder, 11, (1, 3, *size)), extras)


def counted(meter, encoder, genotype, size):
    decoder = without_auxiliary(meter.candidates.build(genotype))
    network = SegmentationNetwork(encoder, decoder)
    figures = latency.count(network, (1, 3, *size))
    return {
        "params": figures.parameters,
        "macs": figures.macs,
        "flops": figures.flops,
    }


@pytest.mark.parametrize("size", [(32, 32), (60, 84)])
def test_costs_are_those_of_the_whole_deployed_network(space, encoder, size):
    meter = meter_of(space, encoder, size)
    for number in range(2):
        genotype = sample(space, number)
        assert meter.counts(genotype) == counted(meter, encoder, genotype, size)


def test_a_candidate_whose_cell_is_empty_is_refused_before_it_is_trained(space, encoder):
    meter = meter_of(space, encoder, (32, 32))
    genotype = space.parse("[[10,[0,0,10,10]],[[3,2],[3,0]]]")
    assert meter.counts(genotype)["macs"] == 0
    with pytest.raises(EmptyNetworkError, match="no path leads from the image to the logits"):
        meter.known(genotype)


def test_the_encoder_is_included_and_left_alone(space, encoder):
    before = fingerprint(encoder.state_dict())
    figures = meter_of(space, encoder, (32, 32)).counts(sample(space, 0))
    alone = latency.count(encoder, (1, 3, 32, 32))
    assert figures["params"] > alone.parameters == 136_810
    assert figures["flops"] > alone.flops
    assert figures["flops"] == 2 * figures["macs"]
    assert fingerprint(encoder.state_dict()) == before
    assert next(encoder.parameters()).device.type == "cpu"


def test_auxiliary_heads_cost_nothing(space, encoder):
    import search_spaces

    bare = search_spaces.create("fastnas", **{**space.options, "auxiliary": "none"})
    with_heads, without = (meter_of(s, encoder, (32, 32)) for s in (space, bare))
    genotype = sample(space, 1)
    assert with_heads.counts(genotype) == without.counts(genotype)


def test_an_evaluation_has_the_costs_that_are_counted_without_training(
    space, prepared, evaluate, genotypes
):
    meter = meter_of(space, prepared.encoder, (32, 32))
    assert evaluate().costs == meter.counts(genotypes.first)


@dataclass(frozen=True)
class Elements:
    """A cost that counts how often it is asked, and remembers of what."""

    name: str
    seen: list = field(default_factory=list)
    needs_build: bool = False
    source: Source = Source.MEASURED

    def measure(self, network, shape):
        heads = len(network.decoder.auxiliary_heads)
        self.seen.append((shape, heads, network.training))
        return Figure(2.5, {"runs": 30})


def test_costs_are_measured_on_the_deployed_network_once(space, encoder):
    cost = Elements("latency")
    meter = meter_of(space, encoder, (32, 48), Extras(measured=(cost,)))
    first, again = (meter.known(sample(space, 2)) for _ in range(2))
    assert cost.seen == [((1, 3, 32, 48), 0, False)]
    assert first == again
    assert first.costs == meter.counts(sample(space, 2)) | {"latency": 2.5}
    assert first.details == {"latency": {"source": "measured", "runs": 30}}


def test_nothing_runs_for_the_counts(space, encoder):
    memory, energy = Elements("memory"), Elements("energy")
    meter = meter_of(space, encoder, (32, 32), Extras(counted=(memory,), measured=(energy,)))
    assert set(meter.counts(sample(space, 2))) == {"params", "macs", "flops", "memory"}
    assert energy.seen == []
    assert meter.known_costs(sample(space, 2))["energy"] == 2.5
    assert len(memory.seen) == 1


def test_memory_is_the_peak_of_the_whole_network(space, encoder):
    meter = meter_of(space, encoder, (32, 32), Extras(counted=(create_cost("memory"),)))
    genotype = sample(space, 1)
    counted = latency.count_memory(meter.candidates.network(genotype), (1, 3, 32, 32))
    found = meter.known(genotype)
    assert found.costs["memory"] == counted.weights + counted.activations > 0
    assert found.details["memory"]["weights"] == counted.weights


def test_without_extras_there_are_counts_alone(space, encoder):
    found = meter_of(space, encoder, (32, 32)).known(sample(space, 2))
    assert set(found.costs) == {"params", "macs", "flops"}
    assert found.details == {}


def test_the_forgotten_are_counted_again(space, encoder, monkeypatch):
    monkeypatch.setattr("nas.evaluation.known._REMEMBERED", 1)
    cost = Elements("memory")
    meter = meter_of(space, encoder, (32, 32), Extras(counted=(cost,)))
    for number in (0, 0, 1, 1, 0):
        meter.counts(sample(space, number))
    assert len(cost.seen) == 3


def test_random_numbers_of_torch_stay_as_they_are(space, encoder):
    meter = meter_of(space, encoder, (32, 32))
    before = torch.get_rng_state()
    meter.known(sample(space, 3))
    assert torch.equal(torch.get_rng_state(), before)


def test_a_cost_that_cannot_be_told_fails_the_candidate(space, encoder):
    class Broken:
        name = "energy"

        def measure(self, network, shape):
            raise LatencyError("the counter is gone.")

    meter = meter_of(space, encoder, (32, 32), Extras(measured=(Broken(),)))
    with pytest.raises(EvaluationError, match="the counter is gone"):
        meter.known(sample(space, 0))


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


class Counted:
    """Candidates of which one in two computes nothing."""

    input_shape = (1, 3, 8, 8)

    def __init__(self, network):
        self._network, self.drawn = network, []

    def sample(self, rng):
        self.drawn.append(rng.random())
        return len(self.drawn)

    def counts(self, genotype):
        return latency.Counts(0, 0, 0) if genotype % 2 else latency.Counts(1, 1, 2)

    def network(self, genotype):
        assert genotype % 2 == 0
        return self._network


class HalfFunctional(torch.nn.Conv2d):
    def forward(self, images):
        return torch.nn.functional.conv2d(super().forward(images), self.weight)


def test_a_search_hears_of_counts_that_differ_from_those_of_thop():
    candidates = Counted(HalfFunctional(3, 3, 1, bias=False))
    assert "and 576 by thop, " in str(second_opinion(candidates, random.Random(0)))
    assert len(candidates.drawn) == 2
    assert not hasattr(candidates.network(2), "total_ops")


def test_it_hears_nothing_where_they_agree_or_nothing_computes(monkeypatch):
    plain = Counted(torch.nn.Conv2d(3, 3, 1, bias=False))
    assert second_opinion(plain, random.Random(0)) is None
    monkeypatch.setattr(plain, "counts", lambda genotype: latency.Counts(0, 0, 0))
    assert second_opinion(plain, random.Random(0)) is None
