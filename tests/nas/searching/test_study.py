from __future__ import annotations

import sqlite3
from pathlib import Path

import optuna
import pytest
import search_fakes as fakes

from nas.errors import UserError
from nas.searching.config import SearchConfig
from nas.searching.run_folder import RunFolder
from nas.searching.study import create_study, join_study, read_study, working_storage


def _create(run: RunFolder, config: SearchConfig, size: int = 50) -> dict[str, object]:
    with working_storage(run, config) as storage:
        return create_study(storage, run, config, fakes.PairSpace(size)).user_attrs


def test_a_study_says_what_it_is_of(tmp_path: Path) -> None:
    config = fakes.config(trials=6)
    known = _create(RunFolder.create(tmp_path / "run", config), config)
    assert known["space"] == "pair(size=50)"
    assert known["objectives"] == ["quality", "flops"]
    assert known["trials"] == 6
    assert known["first_trial"] == 0


def test_quality_is_maximised_and_costs_are_minimised(tmp_path: Path) -> None:
    config = fakes.config()
    run = RunFolder.create(tmp_path / "run", config)
    _create(run, config)
    names = [direction.name for direction in read_study(run).directions]
    assert names == ["MAXIMIZE", "MINIMIZE"]


def test_a_study_of_another_space_is_refused(tmp_path: Path) -> None:
    config = fakes.config()
    run = RunFolder.create(tmp_path / "run", config)
    _create(run, config)
    with pytest.raises(UserError, match=r"of the space pair\(size=50\), not of pair\(size=9\)"):
        _create(run, config, size=9)


def test_a_study_with_other_objectives_is_refused(tmp_path: Path) -> None:
    config = fakes.config()
    run = RunFolder.create(tmp_path / "run", config)
    _create(run, config)
    other = fakes.config(reward={"penalties": [{"cost": "params", "base": 1.0}]})
    with pytest.raises(UserError, match="objectives quality, flops, not quality, params"):
        _create(run, other)


def test_a_run_without_a_study_is_told(tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path / "run", fakes.config())
    with pytest.raises(UserError, match="no study yet"):
        read_study(run)


@pytest.mark.parametrize("url", ["nonsense", "nonsense://x", "sqlite:////nowhere/at/all.db"])
def test_a_storage_that_cannot_be_used_is_refused(tmp_path: Path, url: str) -> None:
    config = fakes.config(storage=url)
    run = RunFolder.create(tmp_path / "run", config)
    with pytest.raises(UserError, match="storage"):
        _create(run, config)


def test_another_machine_joins_by_the_storage_alone(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'shared.db'}"
    config = fakes.config(storage=url, trials=6)
    _create(RunFolder.create(tmp_path / "here", config), config)
    joined = join_study(tmp_path / "there", url, "here")
    assert joined.config() == config
    assert joined.study_name == "here"
    assert read_study(joined).user_attrs["trials"] == 6


def test_the_file_of_a_finished_run_stands_alone(tmp_path: Path) -> None:
    config = fakes.config()
    run = RunFolder.create(tmp_path / "run", config)
    _create(run, config)
    assert [path.name for path in run.path.glob("study.db*")] == ["study.db"]
    connection = sqlite3.connect(run.study_path)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    connection.close()


def test_two_processes_cannot_finish_a_trial_differently(tmp_path: Path) -> None:
    config = fakes.config()
    run = RunFolder.create(tmp_path / "run", config)
    with working_storage(run, config) as first, working_storage(run, config) as second:
        study = create_study(first, run, config, fakes.PairSpace())
        trial = first.create_new_trial(study._study_id)
        second.set_trial_state_values(trial, optuna.trial.TrialState.FAIL)
        with pytest.raises(optuna.exceptions.UpdateFinishedTrialError):
            first.set_trial_state_values(trial, optuna.trial.TrialState.COMPLETE, [1.0, 1.0])
