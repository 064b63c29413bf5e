"""``nas train`` with a task of any kind."""

from __future__ import annotations

import pytest

from nas.errors import UserError
from nas.training.loop import Loop

MODEL = ("--model", "mobilenetv3_small_050", "--device", "cpu")
SEGMENTATION = (*MODEL, "--set", "training={batch_size: 4, augmentation: none}")
CLASSIFICATION = (
    *("--task", "digits", "--device", "cpu", "--model", "convnet_small"),
    *("--set", "task_options={size: 8, train: 60, validation: 40, test: 40}"),
    *("--set", "training={batch_size: 20, augmentation: none}"),
)


@pytest.fixture(params=["segmentation", "classification"])
def train(request, nas, leaves, tmp_path):
    """Trains a tiny network of each kind for two epochs."""
    of_leaves = ("--task", leaves, *SEGMENTATION)
    options = of_leaves if request.param == "segmentation" else CLASSIFICATION
    return lambda: nas("train", "--run", tmp_path / "run", "--epochs", 2, *options)


def test_an_interrupted_training_goes_on(train, monkeypatch) -> None:
    whole = Loop.epoch

    def interrupted(self, index, scale):
        if index == 1:
            raise KeyboardInterrupt
        return whole(self, index, scale)

    with monkeypatch.context() as patch:
        patch.setattr(Loop, "epoch", interrupted)
        outcome = train()
    assert outcome.code == 130
    assert (
        outcome.err
        == "nas: interrupted; what is finished is kept: repeat the command to continue.\n"
    )
    outcome = train()
    assert outcome.code == 0, outcome.err
    lines = [line.split() for line in outcome.out.splitlines() if " epoch " in line]
    assert [(words[1], words[3]) for words in lines] == [("seed-0", "2/2")]


@pytest.mark.parametrize(
    "options",
    [("task_options={train: 3, size: 32}",), ("task_options.train=3", "task_options.size=32")],
)
def test_options_of_the_task_are_heard(nas, tmp_path, monkeypatch, options) -> None:
    seen = []

    def train(config, folder, *, task, **rest):
        seen.append(task)
        raise UserError("seen")

    monkeypatch.setattr("nas.experiments.run.run_experiment", train)
    settings = [part for option in options for part in ("--set", option)]
    assert nas("train", "--run", tmp_path / "run", *MODEL, *settings).err == "nas: seen\n"
    assert len(seen[0].dataset("train")) == 3
    assert seen[0].input_size == (32, 32)


def test_options_of_the_task_that_are_wrong_are_refused(nas, tmp_path) -> None:
    options = ("train", "--run", tmp_path / "run", *MODEL)
    outcome = nas(*options, "--set", "task_options=3")
    assert (outcome.code, outcome.err) == (2, "nas: task_options: must be a mapping, not 3.\n")
    outcome = nas(*options, "--set", "task_options.sice=3")
    assert outcome.code == 2
    assert "sice" in outcome.err
    assert not (tmp_path / "run").exists()
