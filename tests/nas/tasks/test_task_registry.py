from __future__ import annotations

import shutil

import pytest

from nas import tasks
from nas.errors import UserError


def test_a_yaml_file_and_a_data_folder_apart(task_folder, tmp_path_factory):
    apart = tmp_path_factory.mktemp("apart") / "leaves.yaml"
    shutil.move(task_folder.describe(), apart)
    assert len(tasks.load(apart, data=task_folder.root).dataset("train")) == 8


def test_root_is_relative_to_the_yaml_file(task_folder):
    (task_folder.root / "inner").mkdir()
    for name in ("images", "masks"):
        shutil.move(task_folder.root / name, task_folder.root / "inner" / name)
    task_folder.describe(root="inner")
    assert len(tasks.load(task_folder.root).dataset("train")) == 8


def test_options_replace_values_of_the_file(task_folder):
    assert tasks.load(task_folder.root, input_size=[40, 40]).input_size == (40, 40)


def test_unknown_options_are_refused(task_folder):
    with pytest.raises(UserError, match="did you mean 'input_size'"):
        tasks.load(task_folder.root, inputsize=[40, 40])


def test_a_misspelt_task_names_the_nearest():
    with pytest.raises(UserError, match="did you mean 'faces'"):
        tasks.load("fases")


def test_a_folder_without_description_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"no task\.yaml in this folder"):
        tasks.load(tmp_path)


def test_a_missing_data_folder_is_refused(task_folder):
    with pytest.raises(UserError, match="nowhere: no such folder"):
        tasks.load(task_folder.root, data=task_folder.root / "nowhere")


def test_faces_take_no_data():
    with pytest.raises(UserError, match="remove --data"):
        tasks.load("faces", data="somewhere")


def test_an_unknown_split_names_the_nearest(task_folder):
    with pytest.raises(UserError, match="did you mean 'validation'"):
        tasks.load(task_folder.root).dataset("valid")
