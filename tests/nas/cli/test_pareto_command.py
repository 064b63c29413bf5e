from __future__ import annotations

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest

from nas.pareto.candidates import Candidate
from nas.report.runs import Reading, read_searches, read_snapshot
from nas.searching.run_folder import RunFolder


def _candidates(folder: Path, reading: Reading) -> tuple[Candidate, ...]:
    (search,) = read_searches([read_snapshot(RunFolder.open(folder))], reading)
    return search.series.candidates


@pytest.fixture
def two_runs(finished_run, tmp_path):
    return [shutil.copytree(finished_run, tmp_path / name) for name in ("first", "second")]


def _front(folder, cost: str) -> list[int]:
    """Trials that no other one beats, by brute force."""
    candidates = _candidates(folder, Reading(cost))
    points = [(c.values["quality"], -c.values[cost]) for c in candidates]

    def is_beaten(p: tuple[float, float]) -> bool:
        return any(all(np.greater_equal(q, p)) and q != p for q in points)

    return [c.trial for c, p in zip(candidates, points, strict=True) if not is_beaten(p)]


def _table(text: str) -> list[list[str]]:
    lines = [line for line in text.splitlines() if line.startswith(("┃", "│"))]
    return [
        [cell.strip() for cell in line.strip("┃│").replace("┃", "│").split("│")] for line in lines
    ]


@pytest.mark.parametrize("cost", ["flops", "params"])
def test_list_prints_the_exact_front(nas, finished_run, cost) -> None:
    head, *rows = _table(nas("pareto", "list", finished_run, "--cost", cost).out)
    assert head == ["trial", "quality", "reward", "parameters", "MACs", "FLOPs"]
    assert sorted(int(row[0]) for row in rows) == _front(finished_run, cost)


def test_list_shows_the_groups_where_they_fit(nas, finished_run, monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    head = _table(nas("pareto", "list", finished_run).out)[0]
    assert head[-3:] == ["f1 eyes", "f1 brows", "f1 overall"]


def test_list_takes_the_penalised_cost_unless_told(nas, finished_run) -> None:
    assert "Pareto front of quality and flops" in nas("pareto", "list", finished_run).out


def test_list_over_several_runs_names_the_run_of_each_trial(nas, two_runs) -> None:
    out = nas("pareto", "list", *two_runs).out
    head, *rows = _table(out)
    assert head[:2] == ["search", "trial"]
    # Copies have equal points, and ties are kept.
    assert {row[0] for row in rows} == {"first", "second"}
    assert f"{len(rows)} of 6 candidates" in out


def test_another_quality_can_be_read(nas, finished_run) -> None:
    own = _candidates(finished_run, Reading("flops"))
    options = ("--aggregate", "minimum", "--classes", "skin, background")
    changed = Reading("flops", {"aggregate": "minimum", "classes": ("skin", "background")})
    other = _candidates(finished_run, changed)
    shown = {row[0]: row[1] for row in _table(nas("pareto", "list", finished_run, *options).out)}
    assert any(a.values != b.values for a, b in zip(own, other, strict=True))
    for candidate in other:
        if str(candidate.trial) in shown:
            assert shown[str(candidate.trial)] == f"{candidate.values['quality']:.4f}"


def _rewards(nas, run, *options) -> dict[str, float]:
    rows = _table(nas("pareto", "list", run, "--cost", "flops", *options).out)[1:]
    return {row[0]: float(row[2]) for row in rows}


def test_another_penalty_can_be_read(nas, finished_run) -> None:
    run = RunFolder.open(finished_run)
    values = {str(c.trial): c.values for c in _candidates(finished_run, Reading("flops"))}
    base = run.config().reward.penalties[0].base
    for options, expected in (
        (("--penalty", "none"), lambda v: v["quality"]),
        (
            ("--penalty", "flops", "--exponent", -2),
            lambda v: v["quality"] * (v["flops"] / base) ** -2,
        ),
        (
            ("--penalty", "params", "--base", 1e6, "--exponent", -1),
            lambda v: v["quality"] * 1e6 / v["params"],
        ),
    ):
        rewards = _rewards(nas, finished_run, *options)
        assert rewards
        for trial, reward in rewards.items():
            assert reward == pytest.approx(expected(values[trial]), abs=6e-5)


def test_a_penalty_without_a_base_is_refused(nas, finished_run) -> None:
    outcome = nas("pareto", "list", finished_run, "--penalty", "params")
    assert (outcome.code, outcome.out) == (2, "")
    assert "the search had no penalty on params whose base could be used; give --base." in (
        outcome.err
    )


def test_plot_writes_pictures_and_their_data(nas, own_run) -> None:
    outcome = nas("pareto", "plot", own_run, "--formats", "png, svg")
    assert outcome.code == 0, outcome.err
    pictures = ("front-flops", "iterations-flops", "course-flops")
    names = [f"{picture}.{form}" for picture in pictures for form in ("png", "svg")]
    names += ["candidates-flops.csv", "course-flops.csv"]
    assert outcome.out.splitlines() == [str(own_run / "plots" / name) for name in names]
    assert (own_run / "plots/front-flops.png").read_bytes()[:4] == b"\x89PNG"
    assert "<svg" in (own_run / "plots/front-flops.svg").read_text()
    with (own_run / "plots/candidates-flops.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["trial"] for row in rows] == ["0", "1", "2"]
    on_front = [int(row["trial"]) for row in rows if row["on_front"] == "True"]
    assert on_front == _front(own_run, "flops")


def test_the_course_of_several_runs_can_be_compared(nas, two_runs, tmp_path) -> None:
    outcome = nas("pareto", "plot", *two_runs, "--output", tmp_path / "plots", "--formats", "svg")
    assert outcome.code == 0, outcome.err
    with (tmp_path / "plots/course-flops.csv").open() as file:
        rows = list(csv.DictReader(file))
    first, second = ([row for row in rows if row["search"] == name] for name in ("first", "second"))
    # Copies, with one reference point for both.
    assert [row | {"search": ""} for row in first] == [row | {"search": ""} for row in second]
    best = [float(row["best_quality"]) for row in first]
    candidates = _candidates(two_runs[0], Reading("flops"))
    qualities = [candidate.values["quality"] for candidate in candidates]
    assert best == pytest.approx(np.maximum.accumulate(qualities))


def test_compare_draws_several_runs_into_a_folder_of_ones_choice(nas, two_runs, tmp_path) -> None:
    target = tmp_path / "deep/pictures"
    outcome = nas("pareto", "compare", *two_runs, "--output", target, "--formats", "pdf")
    assert outcome.code == 0, outcome.err
    paths = [target / "compare-flops.pdf", target / "compare-flops.csv"]
    assert outcome.out.splitlines() == [str(path) for path in paths]
    assert paths[0].read_bytes()[:5] == b"%PDF-"
    with paths[1].open() as file:
        assert [row["search"] for row in csv.DictReader(file)] == ["first"] * 3 + ["second"] * 3
