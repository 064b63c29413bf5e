from __future__ import annotations

import json

import pytest

from nas.errors import UserError
from nas.training.loop import Loop

OPTIONS = (
    *("--model", "mobilenetv3_small_050", "--weights", "none", "--device", "cpu"),
    *("--set", "training.batch_size=4", "--set", "training.augmentation=none"),
    *("--set", "training.polyak=null", "--set", "training.encoder_learning_rate=0.003"),
)


@pytest.fixture
def train(nas, task_folder, tmp_path):
    options = ("--run", tmp_path / "teacher", "--task", task_folder.root, *OPTIONS)
    return lambda *more: nas("train", *options, *more)


def test_a_teacher_is_trained_scored_and_kept(train, tmp_path) -> None:
    outcome = train("--epochs", 4)
    assert outcome.code == 0, outcome.err
    folder = tmp_path / "teacher"
    assert {path.name for path in folder.iterdir()} == {
        *("model.safetensors", "teacher.yaml", "metrics.json")
    }
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["macro"]["f1"] > metrics["chance"]
    assert f"│ mean F1                 │ {metrics['macro']['f1']:11.4f} │" in outcome.out
    assert outcome.out.splitlines()[-1] == f"teacher: {folder}"

    again = train("--epochs", 4)
    assert (again.code, again.out) == (2, "")
    assert again.err == f"nas: {folder}: it already holds this teacher, trained to the end.\n"
    other = train("--epochs", 5)
    assert (other.code, other.out) == (2, "")
    assert "it holds a teacher of other settings; choose another folder." in other.err


def test_an_interrupted_training_goes_on(train, tmp_path, monkeypatch) -> None:
    whole = Loop.epoch

    def interrupted(self, index, scale):
        if index == 3:
            raise KeyboardInterrupt
        return whole(self, index, scale)

    with monkeypatch.context() as patch:
        patch.setattr(Loop, "epoch", interrupted)
        assert train("--epochs", 4).code == 130
    outcome = train("--epochs", 4)
    assert outcome.code == 0, outcome.err
    assert [line.split()[3] for line in outcome.out.splitlines() if " epoch " in line] == ["4/4"]


def test_a_teacher_no_better_than_chance_is_refused(train, monkeypatch) -> None:
    monkeypatch.setattr("nas.kinds.teacher.chance", lambda card: 0.999)
    outcome = train("--epochs", 1)
    assert outcome.code == 2
    (line,) = outcome.err.splitlines()
    assert "the teacher is no better than chance on the validation images (mean F1 0." in line
    assert "guessing reaches 0.999); train it longer or switch distillation off." in line


@pytest.mark.parametrize(
    "options",
    [("task_options={train: 3, size: 32}",), ("task_options.train=3", "task_options.size=32")],
)
def test_options_of_the_task_are_heard(nas, tmp_path, monkeypatch, options) -> None:
    seen = []

    def train(task, *rest):
        seen.append(task)
        raise UserError("seen")

    monkeypatch.setattr("nas.evaluation.teacher_run.train_teacher_run", train)
    settings = [part for option in options for part in ("--set", option)]
    assert nas("train", "--run", tmp_path / "teacher", *settings).err == "nas: seen\n"
    assert len(seen[0].dataset("train")) == 3
    assert seen[0].input_size == (32, 32)


def test_options_of_the_task_that_are_wrong_are_refused(nas, tmp_path) -> None:
    outcome = nas("train", "--run", tmp_path / "teacher", "--set", "task_options=3")
    assert (outcome.code, outcome.err) == (2, "nas: task_options: must be a mapping, not 3.\n")
    outcome = nas("train", "--run", tmp_path / "teacher", "--set", "task_options.sice=3")
    assert outcome.code == 2
    assert "sice" in outcome.err
    assert not (tmp_path / "teacher").exists()


def test_a_segmentation_network_is_taught_by_another_one(
    train, nas, task_folder, tmp_path, monkeypatch
) -> None:
    # So short a training may end below chance, which is no matter here.
    monkeypatch.setattr("nas.kinds.teacher.chance", lambda card: 0.0)
    assert train("--epochs", 1).code == 0
    student = tmp_path / "student"
    outcome = nas(
        *("distill", "--task", task_folder.root, *OPTIONS, "--epochs", 1, "--run", student),
        *("--teacher", tmp_path / "teacher", "--method", "channel_wise", "--method", "hint"),
    )
    assert outcome.code == 0, outcome.err
    assert outcome.out.splitlines()[-1] == f"run: {student}"
    assert [line.split()[1] for line in outcome.out.splitlines() if " epoch " in line] == [
        "student"
    ]
    assert {path.name for path in student.iterdir()} == {
        *("model.safetensors", "teacher.yaml", "metrics.json")
    }
