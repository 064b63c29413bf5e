from __future__ import annotations

from pathlib import Path

import optuna
import pytest

from nas.deployment.selection import Selection, select
from nas.errors import UserError
from nas.pareto.candidates import Candidate, front_of
from nas.report.runs import Reading, read_searches, read_snapshot
from nas.searching.records import read_records
from nas.searching.run_folder import RunFolder
from nas.searching.study import read_study

GENOTYPE = "[[2,[0,1,3,4]],[[1,0]]]"


def _candidates(folder: Path, reading: Reading) -> tuple[Candidate, ...]:
    (search,) = read_searches([read_snapshot(RunFolder.open(folder))], reading)
    return search.series.candidates


def _select(folder: Path, **selection: object) -> list[str]:
    return [choice.name for choice in select(RunFolder.open(folder), Selection(**selection))]


def _repeat_trial_1(folder: Path) -> None:
    """Adds trial 3, the same network as trial 1."""
    study = read_study(RunFolder.open(folder))
    original = study.get_trials()[1]
    attributes = original.user_attrs | {"duplicate_of": 1}
    study.add_trial(
        optuna.trial.create_trial(
            params=original.params,
            distributions=original.distributions,
            values=original.values,
            user_attrs=attributes,
        )
    )


def _add_cut_short(folder: Path) -> None:
    """Adds trial 3, which would be the best and alone on the front, but was cut short."""
    study = read_study(RunFolder.open(folder))
    trial = study.get_trials()[1]
    figures = trial.user_attrs
    ones = {metric: dict.fromkeys(by, 1.0) for metric, by in figures["scores"].items()}
    costs = {name: value / 1000 for name, value in figures["costs"].items()}
    changes = {"scores": ones, "costs": costs, "quality": 1.0, "rung": "stage0", "stopped": True}
    study.add_trial(
        optuna.trial.create_trial(
            params=trial.params,
            distributions=trial.distributions,
            values=[1.0, costs["flops"]],
            user_attrs=figures | changes,
        )
    )


def test_best_is_the_trial_of_the_highest_reward(finished_run) -> None:
    candidates = _candidates(finished_run, Reading("flops"))
    best = max(candidates, key=lambda candidate: candidate.values["reward"])
    assert _select(finished_run, best=True) == [f"trial-{best.trial}"]


def test_trials_come_in_the_order_asked_for_with_their_search_quality(finished_run) -> None:
    records = read_records(read_study(RunFolder.open(finished_run)))
    choices = select(RunFolder.open(finished_run), Selection(trials=(2, 0)))
    assert [choice.name for choice in choices] == ["trial-2", "trial-0"]
    for choice, record in zip(choices, (records[2], records[0]), strict=True):
        assert str(choice.genotype) == record.genotype
        assert choice.search_quality == record.quality


@pytest.mark.parametrize("cost", [None, "params"])
def test_the_front_is_that_of_the_penalised_cost_or_the_one_asked_for(finished_run, cost) -> None:
    reading = Reading(cost or "flops")
    candidates = _candidates(finished_run, reading)
    expected = {f"trial-{c.trial}" for c in front_of(candidates, reading.objectives)}
    assert set(_select(finished_run, front=True, cost=cost)) == expected


def test_a_genotype_needs_no_trial(finished_run) -> None:
    (choice,) = select(RunFolder.open(finished_run), Selection(genotype=GENOTYPE))
    assert choice.name == "genotype-2-0-1-3-4-1-0"
    assert str(choice.genotype) == GENOTYPE
    assert choice.search_quality is None


def test_trial_0_is_a_selection(finished_run) -> None:
    assert _select(finished_run, trials=(0,)) == ["trial-0"]


def test_a_trial_that_repeats_another_points_to_it(own_run) -> None:
    _repeat_trial_1(own_run)
    with pytest.raises(UserError, match="trial 3 repeats trial 1; select that one"):
        _select(own_run, trials=(3,))


def test_a_repeated_network_is_on_the_front_once(own_run) -> None:
    before = _select(own_run, front=True)
    _repeat_trial_1(own_run)
    assert _select(own_run, front=True) == before


def test_a_trial_that_was_cut_short_is_neither_the_best_nor_on_the_front(own_run) -> None:
    before = [_select(own_run, best=True), _select(own_run, front=True)]
    _add_cut_short(own_run)
    assert [_select(own_run, best=True), _select(own_run, front=True)] == before


def test_a_trial_that_was_cut_short_is_retrained_by_name(own_run) -> None:
    _add_cut_short(own_run)
    assert _select(own_run, trials=(3,)) == ["trial-3"]


def test_a_trial_that_is_not_finished_is_refused_with_those_that_are(own_run) -> None:
    _repeat_trial_1(own_run)
    with pytest.raises(UserError, match=r"no finished trial 7; finished are: 0, 1, 2\."):
        _select(own_run, trials=(0, 7))


def test_without_a_finished_trial_none_can_be_named(own_run, monkeypatch) -> None:
    monkeypatch.setattr("nas.report.runs.read_records", lambda study: [])
    with pytest.raises(UserError, match="no trial is finished yet"):
        _select(own_run, trials=(0,))


@pytest.mark.parametrize(
    "selection", [{}, {"best": True, "trials": (1,)}, {"front": True, "genotype": GENOTYPE}]
)
def test_exactly_one_kind_is_selected(finished_run, selection) -> None:
    with pytest.raises(UserError, match="exactly one of"):
        _select(finished_run, **selection)
