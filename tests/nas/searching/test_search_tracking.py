"""Searches as trackers see them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import search_fakes as fakes
from optuna import Study

from nas.errors import UserError
from nas.searching import search
from nas.searching.records import complete_records
from nas.searching.run_folder import RunFolder
from nas.searching.study import read_study

NOTES = "search_fakes:Notes"


@pytest.fixture
def notes(monkeypatch: pytest.MonkeyPatch) -> type[fakes.Notes]:
    monkeypatch.setattr(fakes.Notes, "points", [])
    monkeypatch.setattr(fakes.Notes, "known", [])
    monkeypatch.setattr(fakes.Notes, "fails", False)
    return fakes.Notes


def _start(path: Path, **changes: Any) -> RunFolder:
    config = fakes.config(**changes)
    return search.start(config, path, fakes.assembly, "search_fakes:assembly")


def test_every_complete_trial_is_told_once_and_a_resumed_search_goes_on(notes, tmp_path) -> None:
    run = _start(tmp_path / "run", trials=2, trackers=[NOTES])
    changes = {"trials": 4}
    search.resume(run.path, fakes.assembly, "search_fakes:assembly", changes=changes)
    study: Study = read_study(run)
    records = complete_records(study)
    assert [step for step, _ in notes.points] == [record.number for record in records]
    assert notes.known == [None, "one"]
    exponent = fakes.config().reward.penalties[0].exponent
    for (_, figures), record in zip(notes.points, records, strict=True):
        assert figures["quality"] == pytest.approx(record.quality)
        penalty = (record.costs["flops"] / 10.0) ** exponent
        assert figures["reward"] == pytest.approx(figures["quality"] * penalty)
        assert {key: figures[f"cost/{key}"] for key in record.costs} == dict(record.costs)


def test_workers_of_their_own_tell_nothing_twice(notes, tmp_path) -> None:
    _start(tmp_path / "run", trials=3, workers=2, trackers=[NOTES])
    steps = sorted(step for step, _ in notes.points)
    assert len(steps) == len(set(steps)) == 3


def test_a_tracker_that_fails_ends_no_search(notes, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(notes, "fails", True)
    run = _start(tmp_path / "run", trials=2, trackers=[NOTES])
    assert len(complete_records(read_study(run))) == 2
    assert capsys.readouterr().out.count(" fails and is left out") == 1


def test_a_tracker_can_be_added_when_a_search_goes_on(notes, tmp_path) -> None:
    run = _start(tmp_path / "run", trials=1)
    changes = {"trials": 2, "trackers": [NOTES]}
    search.resume(run.path, fakes.assembly, "search_fakes:assembly", changes=changes)
    assert [step for step, _ in notes.points] == [0, 1]


def test_an_unknown_tracker_is_refused_before_anything_is_made(tmp_path) -> None:
    with pytest.raises((UserError, ValueError), match="there is no tracker 'wandbs'"):
        _start(tmp_path / "run", trackers=["wandbs"])
    assert not (tmp_path / "run").exists()


def test_a_run_without_trackers_saves_nothing_of_them(tmp_path) -> None:
    run = _start(tmp_path / "run", trials=1)
    assert "trackers" not in run.config_path.read_text()
    assert not (run.path / "trackers").exists()


def test_the_figures_of_a_trial_are_numbers(notes, tmp_path) -> None:
    _start(tmp_path / "run", trials=1, trackers=[NOTES])
    ((_, figures),) = notes.points
    assert json.loads(json.dumps(figures)) == figures
