"""Tasks of a user's own, by decorator and by import path, and where tasks are found again."""

from __future__ import annotations

import pytest

from nas import tasks
from nas.api.arguments import task_name
from nas.deployment.allowing import allow_place
from nas.errors import UserError
from nas.tasks import registry

MODULE = """
import nas.tasks


def bright(size=8, data=None):
    task = nas.tasks.load_classification("digits", size=size, train=40, validation=20, test=20)
    return task


def alone(size=8):
    return bright(size)


def wrong():
    return "no task"
"""


@pytest.fixture
def module(tmp_path):
    path = tmp_path / "my_tasks.py"
    path.write_text(MODULE)
    return path


@pytest.fixture
def own(monkeypatch):
    """A registry whose additions are gone after the test."""
    monkeypatch.setattr(registry._TASKS, "_registered", {})

    @tasks.register("mine")
    def mine(size: int = 8) -> tasks.ClassificationTask:
        return tasks.load_classification("digits", size=size, train=40, validation=20, test=20)

    return mine


def test_a_registered_task_is_known_by_its_name(own):
    assert tasks.names() == ("faces", "digits", "spoofing", "mine")
    assert tasks.load("mine", size=16).input_size == (16, 16)


def test_the_kinds_of_named_tasks_are_told_without_loading_them(own):
    tasks.register("untold")(lambda: None)
    assert tasks.kinds() == {
        "faces": "segmentation",
        "digits": "classification",
        "spoofing": "antispoofing",
        "mine": "classification",
        "untold": "",
    }


def test_an_import_path_is_a_task(module):
    assert tasks.load(f"{module}:bright", size=16).input_size == (16, 16)


def test_a_task_in_a_file_is_found_from_any_folder(module, monkeypatch):
    monkeypatch.chdir(module.parent)
    address = tasks.load("my_tasks.py:bright", size=16).address
    assert address == tasks.Address(f"{module}:bright", None, {"size": 16})
    monkeypatch.chdir("/")
    again = tasks.load(address.name, address.data, **address.options)
    assert again.input_size == (16, 16)


def test_a_folder_is_handed_to_a_task_that_takes_one(module, tmp_path):
    task = tasks.load(f"{module}:bright", data=tmp_path)
    assert task.address == tasks.Address(f"{module}:bright", str(tmp_path), {})
    with pytest.raises(UserError, match="brings its own images; remove --data"):
        tasks.load(f"{module}:alone", data=tmp_path)


def test_a_task_of_this_process_alone_has_no_address(own):
    assert tasks.load("mine").address is None


def test_options_of_a_task_that_was_given_as_an_object_are_refused(own, tmp_path):
    task = own()
    name = task_name(task)
    assert tasks.load(name) is task
    with pytest.raises(UserError, match=r"made by your code, so .*: leave out size,"):
        tasks.load(name, size=16)
    with pytest.raises(UserError, match="brings its own images; remove --data"):
        tasks.load(name, data=tmp_path)


def test_built_in_tasks_and_files_have_addresses(task_folder, monkeypatch):
    assert tasks.load("faces", size=32).address == tasks.Address("faces", None, {"size": 32})
    monkeypatch.chdir(task_folder.root.parent)
    task = tasks.load(task_folder.root.name, input_size=[40, 40])
    assert task.address == tasks.Address(str(task_folder.root), None, {"input_size": [40, 40]})
    fingerprint = task.fingerprint
    monkeypatch.chdir("/")
    again = tasks.load(task.address.name, **task.address.options)
    assert again.fingerprint == fingerprint


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("my_tasks.py:brigt", "defines no 'brigt'; did you mean 'bright'"),
        ("nowhere.py:bright", "there is no file"),
        ("my_tasks.py:wrong", "must return a task of nas.tasks, such as"),
    ],
)
def test_a_wrong_path_is_one_sentence(module, monkeypatch, name, message):
    monkeypatch.chdir(module.parent)
    with pytest.raises(UserError, match=message):
        tasks.load(name)


def test_unknown_options_of_a_function_are_refused(module):
    with pytest.raises(UserError, match="unexpected keyword argument 'sise'; correct the options"):
        tasks.load(f"{module}:bright", sise=8)


def test_a_taken_name_is_refused():
    with pytest.raises(ValueError, match="there is a task 'faces' already"):
        tasks.register("faces")(lambda: None)


def test_the_kind_of_a_file_may_be_an_import_path(tmp_path):
    (tmp_path / "reader.py").write_text(
        "import nas.tasks\n"
        "def read(path, values, data):\n"
        "    return nas.tasks.load('digits', size=values['side'])\n"
    )
    described = tmp_path / "task.yaml"
    described.write_text(f"kind: {tmp_path}/reader.py:read\nside: 12\n")
    with pytest.raises(UserError, match="nas allow"):
        tasks.load(tmp_path)
    assert allow_place(tmp_path) == [f"{tmp_path}/reader.py:read"]
    task = tasks.load(tmp_path)
    assert task.input_size == (12, 12)
    assert task.address == tasks.Address(str(tmp_path), None, {})
