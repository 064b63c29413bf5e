"""Run folders of others whose settings name code: none of it runs before it is allowed."""

from __future__ import annotations

import pytest
import yaml
from search_fakes import FakeAssembly

from nas import allowed
from nas.deployment.allowing import allow_place
from nas.errors import UserError
from nas.report.run_list import runs_in
from nas.report.runs import read_snapshot
from nas.searching.reading import load_config
from nas.searching.run_folder import RunFolder
from nas.searching.search import resume, start

PLACES = [
    {"imports": ["{file}"]},
    {"space": {"name": "{file}:Space"}},
    {"controller": {"name": "{file}:Space"}},
    {"reward": {"metric": "{file}:Space"}},
    {"reward": {"penalties": [{"cost": "{file}:Space"}]}},
    {"limits": {"{file}:Space": 1.0}},
    {"executor": "{file}:Space"},
    {"task": "{file}:Space"},
    {"evaluation": {"encoder": {"name": "{file}:Space"}}},
    {"evaluation": {"teacher": {"encoder": {"name": "{file}:Space"}}}},
    {"evaluation": {"distillation": {"method": "{file}:Space"}}},
    {"retraining_losses": [{"method": "{file}:Space"}]},
]


@pytest.fixture(autouse=True)
def _nothing_told(monkeypatch, tmp_path):
    monkeypatch.setenv("NAS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(allowed, "_told", set())


@pytest.fixture
def run(tmp_path):
    """A finished search of this user."""
    config = load_config(None, {"trials": 1})
    return start(config, tmp_path / "runs" / "r", FakeAssembly(), "nowhere:nothing")


@pytest.fixture
def code(tmp_path):
    """A file that leaves a trace when it is imported."""
    file = tmp_path / "of_somebody.py"
    file.write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()\nSpace = None\n")
    return file


def edit(run: RunFolder, changes: dict) -> None:
    values = {**yaml.safe_load(run.config_path.read_text()), **changes}
    run.config_path.write_text(yaml.safe_dump(values))


def filled(values, file):
    return yaml.safe_load(yaml.safe_dump(values).replace("{file}", str(file)))


@pytest.mark.parametrize("place", PLACES, ids=lambda place: next(iter(place)))
def test_opening_a_run_runs_nothing(run, code, tmp_path, place):
    edit(run, filled(place, code))
    for read in (lambda: read_snapshot(run), lambda: resume(run.path, FakeAssembly(), "a:b")):
        with pytest.raises(UserError, match=r"of_somebody\.py.*never used.*nas allow"):
            read()
    (entry,) = runs_in(run.path.parent)
    assert "nas allow" in entry.trials
    assert not (tmp_path / "ran").exists()


def test_code_in_the_study_runs_no_sooner(run, code, tmp_path):
    import optuna

    study = optuna.load_study(study_name="r", storage=f"sqlite:///{run.study_path}")
    study.set_user_attr("config", study.user_attrs["config"] | {"imports": [str(code)]})
    with pytest.raises(UserError, match="nas allow"):
        resume(run.path, FakeAssembly(), "a:b", changes={"trials": 2})
    assert not (tmp_path / "ran").exists()


def test_what_is_allowed_is_told_and_runs_afterwards(run, code, tmp_path):
    edit(run, {"imports": [str(code)]})
    assert allow_place(run.path) == [str(code)]
    assert len(read_snapshot(run).records) == 1
    assert (tmp_path / "ran").exists()


def test_code_of_ones_own_needs_no_word(code, tmp_path):
    config = load_config(None, {"trials": 1, "imports": [str(code)]})
    run = start(config, tmp_path / "own", FakeAssembly(), "nowhere:nothing")
    allowed._told.clear()
    assert len(read_snapshot(run).records) == 1


@pytest.mark.parametrize(
    "values",
    [
        {"device": "cuda:0", "latency": {"device": "cuda:1"}, "storage": "sqlite:////a.db"},
        {"task_options": {"splits": {"train": "0:16"}}, "reward": {"classes": ["a:b"]}},
        {"task": "object:faces-12", "evaluation": {"teacher": {"run": "/runs/12:30"}}},
        {"space": {"name": "nas.mutual_learning.space:PathSpace"}},
    ],
)
def test_what_is_no_code_is_not_asked_about(values):
    assert allowed.code_in(values) == []


def test_a_task_in_a_folder_with_a_colon_is_no_code(tmp_path):
    (tmp_path / "12:30").mkdir()
    assert allowed.code_in({"task": str(tmp_path / "12:30")}) == []
    assert allowed.code_in({"task": "os:system"}) == ["os:system"]
