from __future__ import annotations

import json
import shutil

import pytest
import yaml

from nas.experiments.gain import Alone, Comparison, find_alone

SOFT = [{"method": "soft_target"}]


def comparison(teacher, alone=None, is_error=False):
    known = None if alone is None else Alone("runs/alone", alone)
    return Comparison("accuracy", is_error, teacher, known)


@pytest.mark.parametrize(("teacher", "said"), [(0.61, True), (0.65, False), (0.5, True)])
def test_a_teacher_that_is_hardly_better_than_its_student_is_said_to_be_so(teacher, said):
    assert ("is hardly better than the student's 0.610" in comparison(teacher).found(0.61)) == said


@pytest.mark.parametrize(("teacher", "said"), [(0.05, False), (0.1, True)])
def test_of_errors_the_smaller_one_is_better(teacher, said):
    told = comparison(teacher, 0.1, is_error=True)
    assert ("expect little gain" in told.expected) == said
    assert told.found(0.07).endswith(": +0.030 by the teacher")


def test_nothing_is_expected_of_a_teacher_whose_student_is_not_known_alone():
    assert comparison(0.5).expected == ""


def test_a_teacher_that_is_hardly_better_than_the_student_alone_is_said_to_be_so_before():
    assert comparison(0.615, 0.61).expected == (
        "the teacher's accuracy of 0.615 is hardly better than the 0.610 of the student alone "
        "(runs/alone): expect little gain, and look for a better teacher"
    )
    assert comparison(0.63, 0.61).expected == ""


def test_the_gain_over_the_student_alone_is_told():
    assert comparison(0.8, 0.61).found(0.59) == (
        "accuracy 0.590 with the teacher, 0.610 alone (runs/alone): -0.020 by the teacher"
    )


def test_the_student_alone_is_a_run_beside_that_differs_by_the_teacher_alone(
    config, teacher, tmp_path
):
    alone = shutil.copytree(teacher, tmp_path / "alone")
    wanted = config(training__epochs=8, teacher=str(teacher), losses=SOFT, seed=5)
    found = find_alone(tmp_path / "taught", wanted, "accuracy")
    values = json.loads((alone / "metrics.json").read_text())["validation"]["accuracy"]
    assert found == Alone(alone, values["mean"])
    other = config(training__epochs=7, teacher=str(teacher), losses=SOFT)
    assert find_alone(tmp_path / "taught", other, "accuracy") is None


def test_runs_that_are_no_trainings_or_not_finished_are_passed_over(config, teacher, tmp_path):
    shutil.copytree(teacher, tmp_path / "unfinished")
    (tmp_path / "unfinished" / "metrics.json").unlink()
    (tmp_path / "search").mkdir()
    (tmp_path / "search" / "config.yaml").write_text("space: {name: fastnas}\n")
    wanted = config(training__epochs=8, teacher=str(teacher), losses=SOFT)
    assert find_alone(tmp_path / "taught", wanted, "accuracy") is None


def test_code_that_a_run_beside_names_is_not_run(config, teacher, tmp_path):
    foreign = shutil.copytree(teacher, tmp_path / "foreign")
    (tmp_path / "theirs.py").write_text("raise AssertionError('run')\n")
    values = yaml.safe_load((foreign / "config.yaml").read_text())
    values["task"] = f"{tmp_path}/theirs.py:task"
    (foreign / "config.yaml").write_text(yaml.safe_dump(values))
    wanted = config(training__epochs=8, teacher=str(teacher), losses=SOFT)
    assert find_alone(tmp_path / "taught", wanted, "accuracy") is None
