from __future__ import annotations

import os

import pytest

from nas.cli.values import assignments, given, latest_run, with_assigned
from nas.errors import UserError
from nas.nested import flattened
from nas.settings import overridden


def test_assigned_values_are_what_they_look_like() -> None:
    texts = ["a=3", "b.c=0.5", "d=[x, y]", "e={f: 1}", "g=null", "h=", " i =a=b"]
    assert assignments(texts) == {
        **{"a": 3, "b.c": 0.5, "d": ["x", "y"], "e": {"f": 1}},
        **{"g": None, "h": None, "i": "a=b"},
    }


def test_the_last_assignment_of_a_key_counts() -> None:
    assert assignments(["a=1", "a=2"]) == {"a": 2}


def test_assigned_values_join_those_of_options() -> None:
    typed = {"trials": 8, "seed": 0}
    assert with_assigned(typed, {"workers": 2, "seed": 0}) == {"trials": 8, "seed": 0, "workers": 2}


def test_an_assignment_may_not_contradict_an_option() -> None:
    with pytest.raises(UserError, match=r"^--set trials=50 contradicts .* says 8; leave one"):
        with_assigned({"trials": 8}, {"trials": 50})
    with pytest.raises(UserError, match=r"^--set training.epochs=2 contradicts"):
        with_assigned({"training.epochs": 8}, {"training": {"epochs": 2, "size": 4}})


def test_an_assigned_section_takes_nothing_from_an_option() -> None:
    values = with_assigned({"training.epochs": 8}, {"training": {"size": 4}})
    assert overridden({}, values) == {"training": {"epochs": 8, "size": 4}}


def test_an_assignment_within_the_value_of_an_option_is_refused() -> None:
    values = with_assigned({"trials": 8}, {"trials.most": 3})
    with pytest.raises(UserError, match=r"^'trials.most' cannot be set: 'trials' holds a value"):
        overridden({}, values)


def test_nested_values_by_dotted_key() -> None:
    values = {"a": 1, "b": {"c": {"d": [2, {"e": 3}]}, "f": {}}}
    assert flattened(values) == {"a": 1, "b.c.d": [2, {"e": 3}], "b.f": {}}


def test_only_what_was_typed_is_given() -> None:
    assert given({"a": None, "b": 0, "c": False, "d": ""}) == {"b": 0, "c": False, "d": ""}


def test_the_latest_run_is_the_one_started_last(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    for seconds, name in ((2, "a"), (3, "c"), (1, "b")):
        folder = tmp_path / "runs" / name
        folder.mkdir(parents=True)
        (folder / "run.json").write_text("{}")
        os.utime(folder / "run.json", (seconds, seconds))
    assert latest_run().name == "c"


def test_without_a_run_there_is_no_latest(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs/empty").mkdir(parents=True)
    with pytest.raises(UserError, match="no run in runs/; start one with nas search"):
        latest_run()
