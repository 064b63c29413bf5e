"""A search goes on with the study, the settings and the data that it had, or not at all."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import search_fakes as fakes
import yaml

from nas.errors import UserError
from nas.searching.continuing import StudyData
from nas.searching.copying import copy_run
from nas.searching.run_folder import RunFolder
from nas.searching.search import resume, start
from nas.searching.study import read_study
from nas.searching.worker import run_worker


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    config = fakes.config(trials=2, controller={"name": "random"})
    return start(config, tmp_path / "run", fakes.assembly, "search_fakes:assembly")


def _resume(run: RunFolder, task: str = "as it was", **changes: Any) -> RunFolder:
    assembly = fakes.FakeAssembly(task=task)
    return resume(run.path, assembly, "search_fakes:assembly", changes=changes)


def _edit(run: RunFolder, **values: Any) -> None:
    known = yaml.safe_load(run.config_path.read_text())
    run.config_path.write_text(yaml.safe_dump(known | values))


def test_a_study_records_what_its_trials_learn_from(run) -> None:
    assert StudyData.of(read_study(run)) == StudyData({"task": "as it was"})


def test_other_labels_are_refused_when_a_search_goes_on(run) -> None:
    with pytest.raises(UserError, match=r"the images, their labels .* not those that its trials"):
        _resume(run, "corrected", trials=4)
    assert run.config().trials == 2


def test_a_worker_with_another_copy_of_the_data_is_refused(run) -> None:
    with pytest.raises(UserError, match="name their folder with --data"):
        run_worker(run, 0, fakes.FakeAssembly(task="another copy"))


def test_a_study_of_before_data_were_recorded_goes_on_and_records_them(run) -> None:
    study = read_study(run)
    study._storage.set_study_user_attr(study._study_id, "data", None)
    assert len(read_study(_resume(run, "now", trials=3)).get_trials()) == 3
    assert StudyData.of(read_study(run)).fingerprints == {"task": "now"}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"seed": 7}, r"'seed' was changed from 0 to 7"),
        ({"controller": {"name": "tpe", "settings": {}}}, "'controller.name' was changed"),
        ({"limits": {"params": 5.0}}, "'limits.params' was changed from None to 5.0"),
    ],
)
def test_a_setting_edited_in_the_file_is_refused_as_one_typed_is(run, changed, message) -> None:
    _edit(run, **changed)
    with pytest.raises(UserError, match=message):
        _resume(run)
    with pytest.raises(UserError, match=message):
        run_worker(run, 0, fakes.assembly)


def test_what_may_change_may_be_edited_too(run) -> None:
    _edit(run, trials=3, failures_in_a_row=9)
    assert len(read_study(_resume(run)).get_trials()) == 3


@pytest.mark.parametrize("loss", ["deleted", "emptied", "swapped for a new one"])
def test_a_study_that_is_lost_is_no_new_start(run, tmp_path: Path, loss: str) -> None:
    for path in run.path.glob("study.db*"):
        path.unlink()
    if loss == "emptied":
        run.study_path.touch()
    elif loss == "swapped for a new one":
        other = fakes.config(trials=1)
        new = start(other, tmp_path / "other" / "run", fakes.assembly, "search_fakes:assembly")
        shutil.copy(new.study_path, run.study_path)
    for use in (_resume, read_study, lambda run: run_worker(run, 0, fakes.assembly)):
        with pytest.raises(UserError, match=r"study\.db back together with study\.db-wal"):
            use(run)


def test_the_user_may_go_on_with_what_is_left(run, tmp_path: Path) -> None:
    run.memory_path.write_text('{"trials": 40}')
    with pytest.raises(UserError, match="has 2 trials where it had 40"):
        _resume(run)
    run.memory_path.unlink()
    assert len(read_study(_resume(run, trials=3)).get_trials()) == 3


def test_a_study_that_was_never_made_is_made_on_resume(run) -> None:
    run.study_path.unlink()
    run.memory_path.unlink()
    assert len(read_study(_resume(run)).get_trials()) == 2


def test_a_memory_that_makes_no_sense_is_told(run) -> None:
    run.memory_path.write_text('["trials"]')
    with pytest.raises(UserError, match="no number of trials in it"):
        read_study(run)


def test_a_copy_of_a_live_run_holds_what_its_log_holds(run, tmp_path: Path) -> None:
    from nas.searching.study import working_storage

    with working_storage(run, run.config()):
        # The last trials may be in the file beside the database alone.
        read_study(run).ask()
        copy = copy_run(run, tmp_path / "copy", cache=False)
    assert len(read_study(copy).get_trials()) == 3
    assert not (copy.path / "study.db-wal").exists()
    with pytest.raises(UserError, match="it exists already"):
        copy_run(run, tmp_path / "copy")


@pytest.mark.parametrize(
    "name", ["{b}", "a?b", "50% done", "c$\\foo$", "_x", "日本", "a#b", "a\nb", "\x1b[31m", "x;y=z"]
)
def test_a_run_may_have_any_name(tmp_path: Path, name: str) -> None:
    run = start(fakes.config(trials=1), tmp_path / name, fakes.assembly, "search_fakes:assembly")
    assert len(read_study(RunFolder.open(run.path)).get_trials()) == 1
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert run.study_path.is_file()
