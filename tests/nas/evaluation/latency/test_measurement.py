from __future__ import annotations

import random
import warnings

import onnx
import pytest
import torch

import latency
from nas.evaluation.latency.measurement import measure_candidate

OPTIONS = {"threads": 2, "reference_ms": 1.25, "attempts": 1}


@pytest.fixture
def genotype(candidates):
    return candidates.sample(random.Random(0))


@pytest.fixture
def network(candidates, genotype):
    """What is built from the random numbers that follow seed 7."""
    torch.manual_seed(7)
    network = candidates.network(genotype)
    torch.manual_seed(7)
    return network


def measured(candidates, genotype, engine: str):
    identity = latency.identify("cpu", threads=2, engine=engine)
    return measure_candidate(candidates, genotype, identity, "cpu", 1.25, 1)


def test_engines_that_take_onnx_measure_the_file_of_the_network(
    candidates, genotype, network, monkeypatch
):
    files = []

    def measure(path, device, **options):
        files.append((latency.check_onnx(network, path, (1, 3, 32, 32)), device, options))
        warnings.warn("busy", latency.NoiseWarning, stacklevel=2)
        return "a figure"

    monkeypatch.setattr(latency, "measure_onnx", measure)
    assert measured(candidates, genotype, "onnxruntime") == "a figure"
    ((difference, device, options),) = files
    assert difference < 1e-3
    assert (device, options) == ("cpu", OPTIONS | {"engine": "onnxruntime"})


def test_other_engines_measure_the_network(candidates, genotype, network, monkeypatch):
    calls = []
    monkeypatch.setattr(latency, "measure", lambda *args, **options: calls.append((args, options)))
    measured(candidates, genotype, "torch")
    (((built, *place), options),) = calls
    assert place == [(1, 3, 32, 32), "cpu"]
    assert options == OPTIONS | {"engine": "torch"}
    image = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(built(image), network(image))


def test_random_numbers_stay_as_they_are(candidates, genotype, monkeypatch):
    monkeypatch.setattr(latency, "measure", lambda *args, **options: None)
    before = torch.get_rng_state()
    measured(candidates, genotype, "torch")
    assert torch.equal(torch.get_rng_state(), before)


def test_a_candidate_is_measured(candidates, genotype):
    identity = latency.identify("cpu")
    figure = measure_candidate(candidates, genotype, identity, "cpu", None, 1)
    assert figure.median_ms > 0
    assert (figure.device.key, figure.input_shape) == (identity.key, (1, 3, 32, 32))


def test_files_of_one_search_share_their_encoder(candidates, tmp_path):
    rng = random.Random(1)
    nodes = []
    for number in range(2):
        network = candidates.network(candidates.sample(rng))
        path = candidates.export(network, (1, 3, 32, 32), tmp_path / f"{number}.onnx")
        graph = onnx.load(path).graph
        nodes.append([node.name for node in graph.node if node.name.startswith("/encoder")])
    assert len(nodes[0]) > 30
    assert nodes[0] == nodes[1]
