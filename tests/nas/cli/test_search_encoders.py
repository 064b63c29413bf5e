"""A search that chooses among encoders, from its start to a network in a file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

import nas as toolkit
import search_spaces
from nas.kinds.network_file import describe
from nas.searching.records import read_records
from nas.searching.run_folder import RunFolder
from nas.searching.study import read_study

SEARCH = (
    *("--space", "small", "--encoder-weights", "none", "--device", "cpu", "--no-distillation"),
    *("--controller", "random"),
    *("--set", "evaluation.stage0={epochs: 1, batch_size: 8}"),
    *("--set", "task_options={train: 24, validation: 8, test: 8, size: 32}"),
    *("--set", "reward.classes=[background, skin, hair]"),
    *("--set", "space.options={strides: [8, 16], widths: [4], sizes: {branches: 2, cells: 1}}"),
    *("--set", "space.options.encoders=[lcnet_035, ghostnet_050]"),
)


@pytest.fixture(scope="module")
def run(nas, faces_cache, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("encoders") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NAS_CACHE", str(faces_cache))
        outcome = nas("search", "--run", folder, *SEARCH, "--trials", 4)
        assert outcome.code == 0, outcome.err
        # The same command continues it.
        outcome = nas("search", "--run", folder, *SEARCH, "--trials", 5, "--resume")
        assert outcome.code == 0, outcome.err
        options = ("--best", "--epochs", 1, "--device", "cpu")
        outcome = nas("retrain", folder, *options)
        assert outcome.code == 0, outcome.err
    return folder


def test_trials_say_which_encoder_they_had(run) -> None:
    space = search_spaces.create("small", **RunFolder.open(run).config().space.options)
    done = [one for one in read_records(read_study(RunFolder.open(run))) if one.is_complete]
    assert len(done) == 5
    cuts = {space.cut(space.parse(record.genotype)) for record in done}
    assert {cut.name for cut in cuts} <= {"lcnet_035", "ghostnet_050"}
    assert len(cuts) > 1
    # The encoder is a part of the network that is counted.
    assert len({record.costs["params"] for record in done}) > 1


def test_a_retrained_network_knows_its_encoder(run) -> None:
    (folder,) = (run / "retrain").iterdir()
    encoder, stride, *_ = json.loads((folder / "genotype.json").read_text())["value"]
    settings = describe(folder).network
    assert settings.encoder.name == encoder
    network = toolkit.load(folder)
    assert max(network.encoder.strides) == stride
    assert network(torch.zeros(1, 3, 32, 32)).shape == (1, 11, 32, 32)
    costs = json.loads((folder / "metrics.json").read_text())["costs"]
    assert sum(p.numel() for p in network.parameters()) == costs["params"]
