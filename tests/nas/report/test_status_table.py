from __future__ import annotations

import io
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hand_made import failed, record
from optuna.trial import create_trial
from rich.console import Console, RenderableType

from nas.pareto.course import Course
from nas.report.rungs import RungCorrelation
from nas.report.runs import Snapshot
from nas.report.search_quality import SearchQuality, Thirds
from nas.report.status import Status, course_table, quality_table, status, status_table
from nas.searching.config import SearchConfig
from nas.searching.records import TrialRecord, record_of

NOTHING = Course("s", np.array([], int), {"quality": np.array([])}, {}, {}, np.array([], bool))
BEGUN = SearchQuality(None, None, NOTHING, 0, {}, ())


def _lines(table: RenderableType, width: int = 80) -> list[str]:
    console = Console(file=io.StringIO(), width=width)
    console.print(table)
    return [" ".join(line.split()) for line in console.file.getvalue().splitlines()]


def _cells(lines: list[str]) -> list[list[str]]:
    rows = [line.replace("┃", "│") for line in lines if line.startswith(("┃", "│"))]
    return [[cell.strip() for cell in row.strip("│").split("│")] for row in rows]


def _record(number: int, genotype: str):
    trial = create_trial(value=0.5, user_attrs={"genotype": genotype})
    return replace(record_of(trial), number=number)


def _course(count: int, **changes) -> Course:
    grow = np.arange(count) / 10
    course = Course(
        "s",
        np.arange(count),
        {"quality": grow, "reward": grow / 2},
        {"flops": grow / 4},
        {"flops": 61.2e6},
        np.arange(count) >= count - 2,
    )
    return replace(course, **changes)


def test_the_status_of_a_search_that_has_just_begun() -> None:
    begun = Status(24, Counter(running=1), {}, BEGUN, None, {}, {}, {})
    assert _lines(status_table(begun)) == [
        *("trials 0 of 24 complete", "1 running", "repeated candidates 0%")
    ]


def test_the_status_tells_why_candidates_failed() -> None:
    failures = {"EvaluationError: [conv] diverged": 2, "worker lost": 1}
    states = Counter(complete=4, fail=3)
    status = Status(24, states, {}, BEGUN, 61.25, failures, {"here": 4}, {})
    assert _lines(status_table(status)) == [
        *("trials 4 of 24 complete", "3 failed", "repeated candidates 0%"),
        *("time per candidate 61.2 s (median)", "host here: 4 complete"),
        *("failed 2 x EvaluationError: [conv] diverged", "failed 1 x worker lost"),
    ]


def test_the_status_tells_how_many_latencies_are_predicted() -> None:
    begun = Status(24, Counter(complete=3), {}, BEGUN, None, {}, {}, {})
    told = replace(begun, latencies={"predicted": 2, "measured": 1})
    assert "latency 2 predicted, 1 measured" in _lines(status_table(told))
    told = replace(begun, latencies={"measured": 3})
    assert not any(line.startswith("latency") for line in _lines(status_table(told)))


def test_the_quality_of_a_search_is_told_in_full_within_a_terminal() -> None:
    quality = SearchQuality(
        best=_record(9, "[[2],[skip]]"),
        best_reward=_record(7, "[[3]]"),
        course=_course(10),
        candidates=8,
        stopped={"epoch 1": 3, "epoch 3": 2},
        correlations=(
            RungCorrelation("epoch 1", "epoch 3", 15, 0.333, 0.456),
            RungCorrelation("epoch 3", "epoch 12", 9, -0.5, -0.25),
        ),
    )
    lines = _lines(quality_table(quality))
    end = lines.index("Course of the search")
    assert lines[:end] == [
        *("best quality 0.9000 (trial 9)", "[[2],[skip]]", "best reward 0.4500 (trial 7)", "[[3]]"),
        *("repeated candidates 20%", "cut short 3 of 8 candidates at epoch 1"),
        "2 of 8 candidates at epoch 3",
        "rank correlation epoch 1 to epoch 3: tau-b 0.33, Spearman 0.46, n = 15",
        "epoch 3 to epoch 12: tau-b -0.50, Spearman -0.25, n = 9",
    ]
    assert " ".join(lines[-2:]) == (
        "hypervolume, FLOPs: the best quality within a budget, averaged over all budgets up to "
        "61.2 M FLOPs"
    )


def test_the_course_is_shown_by_quarters_with_the_repeats_of_each() -> None:
    assert _cells(_lines(course_table(_course(10)))) == [
        ["finished trials", "2", "5", "7", "10"],
        ["best quality", "0.1000", "0.4000", "0.6000", "0.9000"],
        ["best reward", "0.0500", "0.2000", "0.3000", "0.4500"],
        ["hypervolume, FLOPs", "0.0250", "0.1000", "0.1500", "0.2250"],
        ["repeats in this part", "0%", "0%", "0%", "67%"],
    ]


def test_a_search_of_few_trials_has_as_many_columns() -> None:
    course = _course(1, best={"quality": np.array([np.nan])}, hypervolume={}, references={})
    assert _cells(_lines(course_table(course))) == [
        *(["finished trials", "1"], ["best quality", "-"], ["repeats in this part", "100%"])
    ]


def test_a_cost_that_nobody_knows_is_called_by_its_name() -> None:
    course = _course(4, hypervolume={"energy_use": np.ones(4)}, references={"energy_use": 2.0})
    lines = _lines(quality_table(replace(BEGUN, course=course)))
    assert _cells(lines)[3][0] == "hypervolume, energy use"
    assert lines[-1] == "budgets up to 2.0000 energy_use"


def test_the_status_tells_how_many_candidates_were_beyond_the_limits() -> None:
    states = Counter(complete=2, pruned=9)
    beyond = {"flops": 8, "latency_ms_phone": 2}
    lines = _lines(status_table(Status(4, states, beyond, BEGUN, None, {}, {}, {})))
    assert lines[:4] == [
        "trials 2 of 4 complete",
        "9 beyond the limits, not trained",
        "beyond a limit 8 x FLOPs",
        "2 x latency ms phone",
    ]


def test_the_status_of_a_study_without_trials() -> None:
    found = status(_snapshot())
    assert (found.asked, found.states, found.seconds) == (4, {}, None)
    assert found.quality.best is None


def test_the_status_of_a_study_reads_its_penalties() -> None:
    records = [
        record(n, quality, flops, seconds={"total": flops}, origin={"host": "here"})
        for n, (quality, flops) in enumerate(((0.6, 10.0), (0.8, 40.0)))
    ]
    found = status(_snapshot(*records, failed(2)))
    assert found.states == {"complete": 2, "fail": 1}
    assert found.failures == {"diverged": 1}
    assert (found.seconds, found.hosts) == (25.0, {"here": 2})
    # The base of the penalty is 10 FLOPs, its exponent -0.6.
    assert found.quality.course.best["reward"] == pytest.approx([0.6, 0.6])
    assert found.quality.best is not None and found.quality.best.number == 1
    assert found.quality.best_reward is not None and found.quality.best_reward.number == 0


def test_a_teacher_that_the_best_network_has_caught_up_with_is_said_to_be_of_little_use() -> None:
    run = _snapshot(*(_timed(number, quality) for number, quality in enumerate((0.4, 0.6))))
    assert status(run).teacher is None
    better = replace(run, teacher={"f1": {"eye": 0.62, "nose": 0.9}})
    assert status(better).teacher == "quality 0.6200"
    told = status(replace(run, teacher={"f1": {"eye": 0.605}})).teacher
    assert told is not None and told.startswith(
        "quality 0.6050, hardly better than the best network's 0.6000: expect little gain"
    )
    beaten = status(replace(run, teacher={"f1": {"eye": 0.6}})).teacher
    assert beaten is not None and "0.6000, no better than the best network's 0.6000" in beaten
    lines = _lines(status_table(replace(status(run), teacher=told)))
    assert any(line.startswith("teacher quality 0.6050, hardly better") for line in lines)


def test_a_teacher_without_a_score_of_a_reward_class_is_left_out() -> None:
    run = replace(_snapshot(_timed(0, 0.5)), teacher={"f1": {"nose": 0.9}})
    assert status(run).teacher is None


def _timed(number: int, quality: float) -> TrialRecord:
    return record(number, quality, seconds={"total": 1.0}, origin={"host": "here"})


def _snapshot(*records: TrialRecord) -> Snapshot:
    reward = {"penalties": [{"cost": "flops", "base": 10.0}]}
    config = SearchConfig.model_validate({"reward": reward})
    return Snapshot(Path("run"), config, "run", 4, records)


def test_a_search_that_is_no_better_than_random_says_so() -> None:
    text = " ".join(_lines(quality_table(replace(BEGUN, thirds=Thirds("reward", 0.5, 0.4)))))
    assert "mean reward 0.5000 in the first third of candidates, 0.4000 in the last" in text
    assert "the last third is no better than the first: no better than random" in text
    text = " ".join(_lines(quality_table(replace(BEGUN, thirds=Thirds("reward", 0.4, 0.5)))))
    assert "no better" not in text
