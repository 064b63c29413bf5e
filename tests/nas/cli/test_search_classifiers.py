"""A search for classifiers by the command line, and what is retrained from it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

import nas as toolkit
import nas.tasks as tasks
from nas.kinds.classification.scoring import score_classifier
from nas.searching.config import image_config
from nas.searching.records import read_records
from nas.searching.run_folder import RunFolder
from nas.searching.study import read_study

DIGITS = (
    *("--task", "digits", "--device", "cpu"),
    *("--set", "task_options={train: 120, validation: 60, test: 60, size: 8}"),
)
CELLS = (
    *("--space", "nasbench201", "--set", "space.options={channels: 4, cells: 1}"),
    *("--controller", "random"),
)
TEACHER = (
    *("--set", "evaluation.teacher.model.name=convnet_small"),
    *("--set", "evaluation.teacher.training={epochs: 12, augmentation: none, batch_size: 16}"),
)


@pytest.fixture(scope="module")
def finished(nas, tmp_path_factory) -> Path:
    """A finished search with a teacher, successive halving and a penalty."""
    folder = tmp_path_factory.mktemp("classifiers") / "run"
    outcome = nas(
        *("search", "--run", folder, *DIGITS, *CELLS, *TEACHER, "--trials", 8),
        *("--penalty", "params", "--base", 3000, "--halving", 2),
        *("--set", "evaluation.training={epochs: 3, batch_size: 16, rungs: [1]}"),
    )
    assert outcome.code == 0, outcome.err
    assert "teacher: accuracy" in outcome.out
    return folder


def test_every_trial_has_scores_by_class_and_costs(finished: Path) -> None:
    run = RunFolder.open(finished)
    assert isinstance(run.config(), image_config("classification"))
    records = [r for r in read_records(read_study(run)) if r.is_complete]
    assert len(records) == 8
    assert all(len(record.scores["f1"]) == 10 for record in records)
    assert {"params", "macs", "flops"} <= set(records[0].costs)


def test_some_candidates_are_cut_short(finished: Path) -> None:
    records = read_records(read_study(RunFolder.open(finished)))
    assert {r.stopped for r in records} == {None, "epoch 1"}


def test_the_front_is_listed_and_drawn(nas, finished: Path, tmp_path) -> None:
    outcome = nas("pareto", "list", finished)
    assert outcome.code == 0
    assert "params" in outcome.out
    assert nas("pareto", "plot", finished, "--output", tmp_path / "plots").code == 0
    assert list((tmp_path / "plots").glob("*.png"))


def test_the_status_tells_of_the_candidates_cut_short(nas, finished: Path) -> None:
    assert "cut short" in nas("status", finished).out


@pytest.fixture(scope="module")
def retrained(nas, finished: Path) -> Path:
    options = ("--epochs", 12, "--device", "cpu", "--set", "batch_size=16")
    options += ("--set", "learning_rate=0.01", "--set", "augmentation=none")
    # Found by hand, so that the test does not depend on what eight random candidates hold.
    cell = "|nor_conv_3x3~0|+|none~0|nor_conv_3x3~1|+|skip_connect~0|none~1|skip_connect~2|"
    outcome = nas("retrain", finished, "--genotype", cell, *options)
    assert outcome.code == 0, outcome.err
    (folder,) = (finished / "retrain").iterdir()
    return folder


def test_a_retrained_classifier_is_a_plain_module_with_the_reported_scores(retrained: Path) -> None:
    network = toolkit.load(retrained)
    task = tasks.load("digits", train=120, validation=60, test=60, size=8)
    metrics = json.loads((retrained / "metrics.json").read_text())
    card = score_classifier(network, task, "test", torch.device("cpu"))
    assert metrics["test"]["macro"]["top1"] == pytest.approx(card.figures["accuracy"])
    assert metrics["costs"]["params"] == sum(p.numel() for p in network.parameters())
    description = toolkit.describe(retrained)
    assert description.classes == task.classes
    assert description.network.space == "nasbench201"


def test_its_onnx_file_gives_the_same_logits(retrained: Path) -> None:
    session = onnxruntime.InferenceSession(
        retrained / "model.onnx", providers=["CPUExecutionProvider"]
    )
    image = np.random.default_rng(0).random((1, 3, 8, 8), dtype=np.float32)
    (given,) = session.run(None, {session.get_inputs()[0].name: image})
    with torch.no_grad():
        expected = toolkit.load(retrained)(torch.from_numpy(image))
    np.testing.assert_allclose(given, expected.numpy(), atol=1e-4)


def test_it_can_teach_in_its_turn(nas, retrained: Path, tmp_path) -> None:
    outcome = nas(
        *("distill", "--task", "digits", "--device", "cpu", "--model", "convnet_small"),
        *("--set", "task_options={train: 120, validation: 60, test: 60, size: 8}"),
        *("--teacher", retrained, "--method", "soft_target", "--epochs", 1),
        *("--run", tmp_path / "student"),
    )
    assert outcome.code == 0, outcome.err


def test_a_search_for_decoders_refuses_images_by_class(nas, tmp_path) -> None:
    outcome = nas("search", "--run", tmp_path / "run", "--task", "digits", "--space", "small")
    assert outcome.code == 2
    assert "choose a space for it, for example --space nasbench201" in outcome.err
    assert not (tmp_path / "run").exists()


def test_a_search_for_classifiers_refuses_masks(nas, tmp_path) -> None:
    outcome = nas("search", "--run", tmp_path / "run", "--task", "faces", "--space", "nasbench201")
    assert outcome.code == 2
    assert "choose a space for it, for example --space small" in outcome.err
    assert not (tmp_path / "run").exists()


def test_a_metric_that_images_do_not_have_is_refused(nas, tmp_path) -> None:
    outcome = nas(
        "search", "--run", tmp_path / "run", *DIGITS, *CELLS, "--set", "reward.metric=iou"
    )
    assert outcome.code == 2
    assert "no 'iou'; choose one of f1, accuracy" in outcome.err


def test_halving_without_a_rung_is_refused(nas, tmp_path) -> None:
    outcome = nas("search", "--run", tmp_path / "run", *DIGITS, *CELLS, "--halving", 3)
    assert outcome.code == 2
    assert "evaluation.training.rungs=[1]" in outcome.err


def test_a_loss_that_candidates_cannot_learn_from_is_refused(nas, tmp_path) -> None:
    outcome = nas(
        *("search", "--run", tmp_path / "run", *DIGITS, *CELLS),
        *("--distill.method", "hint", "--set", "evaluation.distillation.options={norm: l7}"),
    )
    assert outcome.code == 2
    assert "norm" in outcome.err


def test_what_was_searched_without_a_teacher_is_retrained_without_one(nas, tmp_path) -> None:
    folder = tmp_path / "run"
    settings = ("--set", "evaluation.training={epochs: 1, batch_size: 16}", "--no-distillation")
    searched = nas("search", "--run", folder, *DIGITS, *CELLS, "--trials", 1, *settings)
    assert searched.code == 0, searched.err
    options = ("--best", "--epochs", 1, "--device", "cpu", "--set", "augmentation=none")
    outcome = nas("retrain", folder, *options)
    assert outcome.code == 0, outcome.err
    assert (folder / "retrain/trial-0-no-distillation/model.onnx").is_file()
    refused = nas("retrain", folder, *options, "--distillation")
    assert "the search had no teacher" in refused.err
