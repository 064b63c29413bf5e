from __future__ import annotations

import json
import shutil

import pytest
import torch
import yaml
from nas.evaluation.teacher_run import RunLesson, train_teacher_run

from nas.errors import UserError
from nas.evaluation import teacher_run as module
from nas.kinds.teacher import load_teacher
from nas.models.encoder import fingerprint
from nas.training.stage_settings import StageSettings


class Interrupted(BaseException):
    """What a signal is to a test."""


@pytest.fixture
def run(whole_faces, teacher_settings):
    def start(folder, on_epoch=lambda *_: None, seed=0, **changes):
        overrides = {**teacher_settings, **changes}
        return train_teacher_run(whole_faces, folder, overrides, seed, "cpu", on_epoch)

    return start


def test_the_folder_describes_the_teacher(teacher_run, faces):
    assert {path.name for path in teacher_run.iterdir()} == {
        "metrics.json",
        "model.safetensors",
        "teacher.yaml",
    }
    record = yaml.safe_load((teacher_run / "teacher.yaml").read_text())
    assert record["classes"] == list(faces.classes)
    assert record["teacher"]["training"]["epochs"] == 2
    metrics = json.loads((teacher_run / "metrics.json").read_text())
    assert metrics["macro"]["f1"] > metrics["chance"]


def test_an_interrupted_training_goes_on_bit_for_bit(run, teacher_run, whole_faces, tmp_path):
    def interrupt(what, record, epochs):
        assert (what, record.epoch, epochs) == ("teacher", 0, 2)
        raise Interrupted

    with pytest.raises(Interrupted):
        run(tmp_path / "cut", interrupt)
    epochs = []
    run(tmp_path / "cut", lambda what, record, total: epochs.append(record.epoch))
    assert epochs == [1]
    states = [
        fingerprint(load_teacher(folder, whole_faces, torch.device("cpu")).state_dict())
        for folder in (tmp_path / "cut", teacher_run)
    ]
    assert states[0] == states[1]


def test_a_finished_teacher_is_not_trained_again(run, teacher_run):
    with pytest.raises(UserError, match="already holds this teacher"):
        run(teacher_run)


def test_a_folder_of_other_settings_is_refused(run, teacher_run, tmp_path):
    shutil.copytree(teacher_run, tmp_path / "copy")
    with pytest.raises(UserError, match="a teacher of other settings; choose another folder"):
        run(tmp_path / "copy", **{"training.epochs": 3})


def test_a_folder_in_use_is_refused_and_left_alone(run, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match="the folder is in use"):
        run(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_key_that_makes_no_sense_here_is_refused(run, tmp_path):
    with pytest.raises(UserError, match="takes no 'run'"):
        run(tmp_path / "teacher", run="elsewhere")
    assert not (tmp_path / "teacher").exists()


def test_an_unknown_device_is_refused_before_anything_is_written(whole_faces, tmp_path):
    with pytest.raises(UserError, match="'tpu' is not known"):
        train_teacher_run(whole_faces, tmp_path / "t", {}, 0, "tpu", lambda *_: None)
    assert not (tmp_path / "t").exists()


def test_a_teacher_that_learned_nothing_is_refused(run, tmp_path, monkeypatch):
    def refuse(network, task, device):
        raise UserError("the teacher is no better than chance")

    monkeypatch.setattr(module, "check_teacher", refuse)
    with pytest.raises(UserError, match="no better than chance"):
        run(tmp_path / "teacher", **{"training.epochs": 1})
    assert not (tmp_path / "teacher" / "metrics.json").exists()


def test_a_network_is_taught_by_another_one_in_stages(
    teacher_run, teacher_settings, whole_faces, tmp_path, monkeypatch
):
    # So short a training may end below chance, which is no matter here.
    monkeypatch.setattr("nas.kinds.teacher.chance", lambda card: 0.0)
    stages = (
        StageSettings(
            name="hint",
            train=("encoder",),
            task_weight=0,
            losses=({"method": "hint", "student": "stride=8"},),
            training={"epochs": 1},
        ),
        StageSettings(name="student", losses=({"method": "channel_wise"},)),
    )
    lesson = RunLesson(teacher=str(teacher_run), stages=stages)
    told = []
    train_teacher_run(
        whole_faces,
        tmp_path / "student",
        teacher_settings,
        1,
        "cpu",
        lambda what, record, epochs: told.append(f"{what} {record.epoch + 1}/{epochs}"),
        lesson,
    )
    assert told == ["hint 1/1", "student 1/2", "student 2/2"]
    record = yaml.safe_load((tmp_path / "student/teacher.yaml").read_text())
    assert record["lesson"]["stages"][1]["losses"][0]["method"] == "channel_wise"
    # Whoever was taught can teach in its turn.
    load_teacher(tmp_path / "student", whole_faces, torch.device("cpu"))
    assert not list((tmp_path / "student").glob("*.pt"))


def test_a_lesson_that_cannot_work_leaves_no_folder(
    teacher_run, teacher_settings, whole_faces, tmp_path
):
    stages = (
        StageSettings(name="first", losses=({"method": "soft_target"},)),
        StageSettings(name="second", freeze=("nowhere",), losses=({"method": "soft_target"},)),
    )
    lesson = RunLesson(teacher=str(teacher_run), stages=stages)
    folder = tmp_path / "student"
    with pytest.raises(UserError, match=r"stage second: freeze: .*no module 'nowhere'"):
        train_teacher_run(whole_faces, folder, teacher_settings, 0, "cpu", lambda *_: None, lesson)
    assert not folder.exists()
