"""What reads a finished search needs its run folder alone: here its images have been deleted."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from optuna.trial import TrialState

from nas.deployment.selection import Selection, select
from nas.searching.run_folder import RunFolder
from nas.searching.study import read_study


@pytest.fixture(scope="module")
def run(
    nas, make_own_data, tiny_options: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The folder of a finished search whose images are gone, not to be written to."""
    folder = tmp_path_factory.mktemp("without data")
    data = make_own_data(folder / "leaves")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("nas.searching.reward._SAMPLES", 20)
        outcome = nas(
            *("search", "--data", data.root, "--run", folder / "run"),
            *(*tiny_options, "--penalty", "flops"),
        )
    assert outcome.code == 0, outcome.err
    shutil.rmtree(data.root)
    return folder / "run"


def _trials(run: Path) -> dict[int, float]:
    """Quality by number, from the study itself."""
    trials = read_study(RunFolder.open(run)).get_trials(states=(TrialState.COMPLETE,))
    return {trial.number: trial.values[0] for trial in trials}


def test_the_front_is_listed(nas, run) -> None:
    outcome = nas("pareto", "list", run)
    assert outcome.code == 0, outcome.err
    best = max(_trials(run).values())
    assert f"{best:.4f}" in outcome.out


def test_the_front_is_listed_by_other_classes_that_were_scored(nas, run) -> None:
    assert nas("pareto", "list", run, "--classes", "leaf,fruit").code == 0
    outcome = nas("pareto", "list", run, "--classes", "stone")
    assert outcome.code == 2
    assert "reward class 'stone' is not a class of" in outcome.err
    assert "it has: ground, leaf, fruit." in outcome.err


def test_pictures_are_drawn(nas, run, tmp_path) -> None:
    outcome = nas("pareto", "plot", run, "--output", tmp_path, "--formats", "svg")
    assert outcome.code == 0, outcome.err
    assert (tmp_path / "front-flops.svg").is_file()


def test_runs_are_compared(nas, run, tmp_path) -> None:
    other = shutil.copytree(run, tmp_path / "other")
    outcome = nas("pareto", "compare", run, other, "--output", tmp_path, "--formats", "svg")
    assert outcome.code == 0, outcome.err
    assert (tmp_path / "compare-flops.svg").is_file()


def test_the_status_is_told(nas, run) -> None:
    outcome = nas("status", run)
    assert outcome.code == 0, outcome.err
    assert "3 of 3 complete" in outcome.out
    assert f"{max(_trials(run).values()):.4f} (trial " in outcome.out


@pytest.mark.parametrize("selection", [Selection(best=True), Selection(front=True)])
def test_candidates_are_selected_for_retraining(run, selection) -> None:
    choices = select(RunFolder.open(run), selection)
    assert choices
    qualities = {f"trial-{number}": quality for number, quality in _trials(run).items()}
    assert {choice.name: choice.search_quality for choice in choices}.items() <= qualities.items()


def test_a_trial_is_selected_by_its_number(run) -> None:
    (choice,) = select(RunFolder.open(run), Selection(trials=(1,)))
    assert choice.name == "trial-1"
