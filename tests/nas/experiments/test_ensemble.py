"""Ensembles and evaluations of small runs against spoofing."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from torch import nn
from typer.testing import CliRunner

import nas
import nas.tasks
from nas.cli.app import app
from nas.errors import UserError
from nas.experiments.ensemble import LogitSum, evaluate_ensemble, learned_weights
from nas.experiments.evaluation import OtherData, evaluate_run
from nas.kinds.antispoofing.kind import AntiSpoofingKind
from nas.kinds.network_file import load

SIZES = {"size": 16, "train": 4, "validation": 3, "test": 3, "captures": 6}
CPU = torch.device("cpu")
CONFIG = {
    "task_options": SIZES,
    "training": {"batch_size": 12, "monitors": ["acer", "for_fdr_mean"], "burn_in": 1},
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two runs of two seeds, one seed of which they share."""
    folder = tmp_path_factory.mktemp("runs")
    for name, seed in (("first", 0), ("second", 1)):
        nas.train(
            "spoofing",
            "convnet_small",
            epochs=3,
            seeds=2,
            seed=seed,
            run=folder / name,
            config={**CONFIG, "model": {"inputs": ["rgb"] if seed else ["rgb", "depth"]}},
            progress=False,
        )
    return folder / "first", folder / "second"


@pytest.fixture(scope="module")
def task():
    return nas.tasks.load("spoofing", **SIZES)


def test_an_ensemble_adds_the_logits_of_networks_of_the_same_seed(runs, task):
    found = evaluate_ensemble(runs, "test")
    assert found.evaluation.seeds == (1,)
    members = [load(run / "seed-1") for run in runs]
    card = AntiSpoofingKind().score(LogitSum(members, (1, 1)), task, "test", CPU)
    figures = found.evaluation.figures
    assert list(figures) == ["first", "second", "ensemble"]
    assert {key: values[0] for key, values in figures["ensemble"].items()} == {
        key: card.figures[key] for key in figures["ensemble"]
    }
    alone = evaluate_run(runs[1], "test").figures["none"]
    assert figures["second"]["eer"] == alone["eer"][:1]
    assert found.weights == {"first": [1.0], "second": [1.0]}


class Fixed(nn.Module):
    """Says that a face is live by the sign of a score for each image, known by its order."""

    def __init__(self, scores):
        super().__init__()
        self.scores = scores
        self.seen = 0

    def forward(self, images):
        score = self.scores[self.seen : self.seen + len(images)]
        self.seen += len(images)
        return torch.stack([-score, score], dim=1)


def test_learned_weights_prefer_the_network_that_knows_validation(task):
    labels = task.dataset("validation").targets
    signs = labels.float() * 2 - 1
    noise = torch.randn(len(labels), generator=torch.Generator().manual_seed(0))
    good, bad = learned_weights([Fixed(signs), Fixed(noise)], task, CPU)
    assert good > 0.8
    assert good + bad == pytest.approx(1)
    equal = learned_weights([Fixed(signs), Fixed(signs.clone())], task, CPU)
    assert equal == pytest.approx([0.5, 0.5])


def test_an_ensemble_of_one_run_or_without_a_common_seed_is_refused(runs, tmp_path):
    with pytest.raises(UserError, match="an ensemble needs two runs or more"):
        evaluate_ensemble(runs[:1], "test")
    with pytest.raises(UserError, match="takes each run once"):
        evaluate_ensemble([runs[0], runs[0]], "test")
    for run, seed in zip(runs, (0, 2), strict=True):
        copy = tmp_path / run.name
        copy.mkdir()
        (copy / "config.yaml").write_bytes((run / "config.yaml").read_bytes())
        (copy / f"seed-{seed}").symlink_to(run / f"seed-{seed}")
    with pytest.raises(UserError, match=r"no seed is in all of the runs: .*\[0\]; .*\[2\]"):
        evaluate_ensemble([tmp_path / "first", tmp_path / "second"], "test")


def test_the_weights_of_each_monitor_have_a_row(runs, task):
    found = evaluate_run(runs[0], "test", best_by=["acer", "for_fdr_mean"])
    assert found.figures["best by acer"] == found.figures["none"]
    network = load(runs[0] / "seed-0/model-for_fdr_mean.safetensors")
    card = AntiSpoofingKind().score(network, task, "test", CPU)
    assert found.figures["best by for_fdr_mean"]["eer"][0] == card.figures["eer"]
    assert found.checkpoint == "best acer on validation, after 1 epochs of burn-in"
    with pytest.raises(UserError, match=r"best by hter: .* its monitors are acer, for_fdr_mean"):
        evaluate_run(runs[0], "test", best_by=["hter"])


def test_other_data_are_judged_at_the_threshold_of_the_training(runs, task):
    other = OtherData("spoofing", options={"seed": 5})
    found = evaluate_run(runs[0], "validation", other=other)
    network, kind = load(runs[0] / "seed-0"), AntiSpoofingKind()
    threshold = kind.score(network, task, "validation", CPU).figures["eer_threshold"]
    shown = kind.seen_from(nas.tasks.load("spoofing", **{**SIZES, "seed": 5}), task)
    assert shown.mean == task.mean
    card = kind.score(network, shown, "validation", CPU)
    live, targets = card.probabilities[:, 1], card.targets
    far, frr = (live[targets == 0] >= threshold).mean(), (live[targets == 1] < threshold).mean()
    hter = found.figures["none"]["hter_at_threshold"][0]
    assert hter == pytest.approx((far + frr) / 2)
    assert (runs[0] / "evaluation-validation-on-spoofing.json").is_file()


def test_data_of_other_inputs_are_refused(runs):
    with pytest.raises(UserError, match="task 'digits' is one of classification"):
        evaluate_run(runs[0], "test", other=OtherData("digits"))


def test_intervals_hold_the_figure_and_draw_whole_subjects(runs):
    found = evaluate_run(runs[0], "test", intervals=True)
    for key in ("acer", "bpcer", "accuracy"):
        value, (low, high) = found.figures["none"][key][0], found.intervals["none"][key][0]
        assert low <= value <= high
    record = json.loads((runs[0] / "evaluation-test.json").read_text())
    assert record["none"]["acer"]["interval"][0] == list(found.intervals["none"]["acer"][0])
    # Three subjects of two live faces: no draw has another share than of sixths.
    low, _ = found.intervals["none"]["bpcer"][0]
    assert math.isclose(low * 6, round(low * 6), abs_tol=0.2)
    assert np.isfinite(low)


def test_an_ensemble_is_printed_and_written_as_a_table(runs, tmp_path):
    for name in ("found.csv", "found.md"):
        arguments = ["ensemble", *map(str, runs), "--weights", "learned", "--split", "test"]
        result = CliRunner().invoke(app, [*arguments, "--table", str(tmp_path / name)])
        assert result.exit_code == 0, result.output
        assert "Weights" in result.output
    lines = (tmp_path / "found.csv").read_text().splitlines()
    assert lines[0] == "row,figure,n,mean,sample std,checkpoint,values"
    assert any(line.startswith("ensemble,acer,1,") for line in lines)
    assert (tmp_path / "found.md").read_text().startswith("| row | figure | n | mean |")


def test_a_table_of_another_format_is_refused_before_anything_is_scored(tmp_path):
    arguments = ["evaluate", str(tmp_path), "--table", "found.txt"]
    with pytest.raises(UserError, match=r"ends in \.csv or \.md"):
        CliRunner().invoke(app, arguments, catch_exceptions=False)
