"""Anti-spoofing end to end, on few and small faces."""

from __future__ import annotations

import json

import optuna
import pytest
import torch
from torch import nn

import nas
import nas.tasks
from nas.errors import UserError
from nas.experiments.evaluation import evaluate_run
from nas.kinds.antispoofing.kind import AntiSpoofingKind
from nas.kinds.antispoofing.settings import FaceFitSettings
from nas.training.trainer import Monitor

SIZES = {"size": 32, "train": 4, "validation": 2, "test": 2, "captures": 6}
OPTIONS = {"layers": [1, 1, 1, 1], "channels": [8, 8, 16, 16]}
CONFIG = {
    "task_options": SIZES,
    "model": {"options": OPTIONS},
    "training": {"batch_size": 12, "monitors": ["acer", "for_fdr_mean"]},
}
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def task():
    return nas.tasks.load("spoofing", **SIZES)


class Depth(nn.Module):
    """Calls a face live where its middle is near; some masks are as near as faces."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, images):
        live = self.scale * images[:, 3, 12:20, 12:20].mean(dim=(1, 2)) - 1.77
        return torch.stack([-live, live], dim=1)


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    """A run of the three-branch network that is too short to be any good."""
    folder = tmp_path_factory.mktemp("teacher")
    nas.train("spoofing", "se_resnet18_fusion", epochs=2, run=folder, config=CONFIG, progress=False)
    return folder


def test_the_worst_type_of_attack_decides(task):
    card = AntiSpoofingKind().score(Depth(), task, "test", CPU)
    data = task.dataset("test")
    accepted = card.probabilities.argmax(axis=1) == 1
    rates = {
        name: accepted[[attack == name for attack in data.attacks]].mean()
        for name in ("print", "screen", "mask", "cutout")
    }
    assert len(set(rates.values())) > 1
    assert card.figures["apcer"] == max(rates.values())
    assert card.figures["acer"] == (card.figures["apcer"] + card.figures["bpcer"]) / 2
    assert card.scores["acer"] == {"all": card.figures["acer"]}


def test_the_figures_of_the_kind_are_those_of_its_scores(task):
    kind = AntiSpoofingKind()
    card = kind.score(Depth(), task, "validation", CPU)
    assert set(kind.figures) <= card.figures.keys()
    assert set(kind.metrics) <= card.scores.keys()
    assert kind.quality(card) == 1 - card.figures["acer"]


def test_the_threshold_comes_from_validation(task):
    kind = AntiSpoofingKind()
    validation = kind.score(Depth(), task, "validation", CPU)
    assert validation.figures["hter_at_threshold"] == pytest.approx(validation.figures["eer"])
    assert 0 <= kind.score(Depth(), task, "test", CPU).figures["hter_at_threshold"] <= 1


def test_errors_are_monitored_downwards_and_accuracy_upwards():
    settings = FaceFitSettings(monitors=("acer", "accuracy"))
    assert AntiSpoofingKind().monitors(settings) == (
        Monitor("acer", smaller_is_better=True),
        Monitor("accuracy"),
    )


def test_what_is_not_defined_is_never_better():
    monitor = Monitor("for_fdr_mean", smaller_is_better=True)
    assert not monitor.prefers(float("nan"), 0.4)
    assert monitor.prefers(0.4, float("nan"))
    assert not monitor.prefers(float("nan"), float("nan"))


def test_a_run_keeps_the_best_weights_of_every_monitor(teacher):
    files = {path.name for path in (teacher / "seed-0").glob("*.safetensors")}
    assert files == {
        "model.safetensors",
        "model-acer.safetensors",
        "model-for_fdr_mean.safetensors",
    }
    record = json.loads((teacher / "metrics.json").read_text())
    assert 0 <= record["validation"]["acer"]["mean"] <= 1


def test_the_best_seed_of_a_run_is_the_one_with_the_smallest_error(teacher, tmp_path):
    from nas.kinds.teacher import network_path

    run = tmp_path / "run"
    for seed, acer in enumerate((0.4, 0.1, 0.3)):
        folder = run / f"seed-{seed}"
        folder.mkdir(parents=True)
        (folder / "model.safetensors").write_bytes(
            (teacher / "seed-0/model.safetensors").read_bytes()
        )
        (folder / "metrics.json").write_text(json.dumps({"validation": {"acer": acer}}))
    assert network_path(run).parent.name == "seed-1"


def test_modalities_can_be_missing_in_an_evaluation(teacher):
    found = evaluate_run(teacher, "test", missing=[["depth", "ir"], ["rgb"]])
    assert list(found.figures) == ["none", "without depth, ir", "without rgb"]
    assert found.figures["none"] != found.figures["without depth, ir"]
    with pytest.raises(UserError, match="no input 'dpth'"):
        evaluate_run(teacher, "test", missing=[["dpth"]])


class Known(nn.Module):
    """A teacher with a map, whose classifier takes what `Depth` says beside its features."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(5, 4, 3, 8, 1)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.depth = Depth()
        self.fc = nn.Linear(4, 2)
        with torch.no_grad():
            self.fc.weight.copy_(torch.tensor([[0.0, 0, 0, -1], [0, 0, 0, 1]]))
            self.fc.bias.zero_()

    def forward(self, images):
        logits = self.depth(images)
        features = self.pool(self.conv(images)).flatten(1)
        return self.fc(torch.cat([features[:, :3], logits[:, 1:]], dim=1))


@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("patch_mmd", {"pool": "average", "attention": True}),
        ("multi_scale", {"levels": [4, 2, 1], "weighting": "self_attention"}),
        ("multi_scale", {"weighting": "selector"}),
        ("mad", {}),
    ],
)
def test_a_student_of_colour_learns_from_a_teacher_of_all(tmp_path, method, options):
    student = nas.distill(
        "spoofing",
        "se_resnet18",
        Known(),
        [{"method": method, "options": options}],
        epochs=1,
        run=tmp_path / "student",
        config={**CONFIG, "model": {"options": OPTIONS, "inputs": ["rgb"]}},
        progress=False,
    )
    network, images = student.load(), torch.randn(2, 5, 32, 32)
    other = images.clone()
    other[:, 3:] = 0
    assert torch.equal(network(images), network(other))


def test_a_teacher_no_better_than_guessing_is_refused(task):
    kind = AntiSpoofingKind()
    card = kind.score(Depth(), task.without(["depth"]), "validation", CPU)
    with pytest.raises(UserError, match=r"its ACER of 0\.5\d* .* no better than guessing"):
        kind.check_teacher(Depth(), card, task, CPU)


@pytest.fixture(scope="module")
def search(tmp_path_factory):
    """A search for students of colour with a teacher of all inputs."""
    return nas.search(
        "spoofing",
        run=tmp_path_factory.mktemp("search") / "run",
        space="nasbench201",
        trials=2,
        teacher=Known(),
        seed=1,
        config={
            "task_options": SIZES,
            "space.options": {"channels": 4, "cells": 1},
            "evaluation": {
                "inputs": ["rgb"],
                "training": {"epochs": 1, "batch_size": 12},
                "distillation": {"method": "multi_scale"},
            },
        },
        progress=False,
    )


def test_a_search_rewards_a_small_error(search):
    config = search.folder.config()
    assert (config.task_kind, config.reward.metric) == ("antispoofing", "acer")
    study = optuna.load_study(study_name=None, storage=f"sqlite:///{search.folder.path}/study.db")
    by_number = {trial.number: trial for trial in study.trials}
    for row in search.trials():
        scores = by_number[row["trial"]].user_attrs["scores"]
        assert row["quality"] == pytest.approx(1 - scores["acer"]["all"])


def test_a_found_student_takes_colour_alone(search):
    retrained = search.retrain("best", epochs=1, progress=False)
    network, images = retrained.load(), torch.randn(2, 5, 32, 32)
    other = images.clone()
    other[:, 3:] = 0
    assert torch.equal(network(images), network(other))
