from __future__ import annotations

from pathlib import Path

import pytest
import search_fakes as fakes

from nas.errors import UserError
from nas.searching.run_folder import RunFolder


def test_a_new_folder_says_what_it_was_made_with(tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path / "runs" / "demo", fakes.config(trials=7))
    info = run.info()
    assert {"date", "host", "devices", "commit", "versions"} <= info.keys()
    assert {"python", "torch", "optuna"} <= info["versions"].keys()
    assert run.study_name == "demo"
    assert all(path.is_dir() for path in (run.cache, run.plots, run.retrain, run.logs))


def test_the_configuration_survives(tmp_path: Path) -> None:
    config = fakes.config(trials=7, space={"name": "pair", "options": {"size": 3}})
    RunFolder.create(tmp_path / "demo", config)
    assert RunFolder.open(tmp_path / "demo").config() == config


def test_a_folder_in_use_is_refused_with_the_way_to_continue(tmp_path: Path) -> None:
    RunFolder.create(tmp_path / "demo", fakes.config())
    with pytest.raises(UserError, match=r"already in use.*--resume"):
        RunFolder.create(tmp_path / "demo", fakes.config())


def test_a_folder_with_other_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").touch()
    with pytest.raises(UserError, match="already in use"):
        RunFolder.create(tmp_path, fakes.config())
    assert [path.name for path in tmp_path.iterdir()] == ["holiday.jpg"]


def test_an_empty_folder_can_be_used(tmp_path: Path) -> None:
    assert RunFolder.create(tmp_path, fakes.config()).config() == fakes.config()


def test_a_folder_is_discarded_only_while_it_is_new(tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path / "demo", fakes.config())
    run.study_path.touch()
    run.discard_if_new()
    assert run.config_path.exists()
    run.study_path.unlink()
    run.discard_if_new()
    assert not run.path.exists()


def test_what_was_trained_before_a_search_serves_the_corrected_one(tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path / "demo", fakes.config())
    (run.cache / "encoder.pt").touch()
    (run.cache / "prepare.lock").touch()
    run.discard_if_new()
    assert [path.name for path in run.path.iterdir()] == ["cache"]
    again = RunFolder.create(tmp_path / "demo", fakes.config(trials=9))
    assert again.config().trials == 9
    assert (again.cache / "encoder.pt").exists()


def test_a_lock_is_nothing_that_was_trained(tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path / "demo", fakes.config())
    (run.cache / "prepare.lock").touch()
    run.discard_if_new()
    assert not run.path.exists()


def test_a_folder_of_something_else_is_not_opened(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not a run folder"):
        RunFolder.open(tmp_path)


def test_a_missing_folder_is_not_opened(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such run folder"):
        RunFolder.open(tmp_path / "none")
