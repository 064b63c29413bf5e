from __future__ import annotations

import shutil
from dataclasses import replace

import pytest

from nas.errors import UserError
from nas.report import plots
from nas.report.runs import Reading, read_searches, read_snapshot
from nas.searching.run_folder import RunFolder


@pytest.fixture
def quantities(monkeypatch) -> list[str]:
    """What is drawn over the iterations."""
    seen: list[str] = []
    real = plots.plot_iterations

    def watch(searches, objectives):
        seen.extend(objective.name for objective in objectives)
        return real(searches, objectives)

    monkeypatch.setattr(plots, "plot_iterations", watch)
    return seen


def test_the_course_shows_the_reward_where_it_is_not_the_quality(
    finished_run, tmp_path, quantities
) -> None:
    reading = Reading("flops")
    searches = read_searches([read_snapshot(RunFolder.open(finished_run))], reading)
    paths = plots.save_plots(searches, reading, tmp_path / "plots", ("svg",))
    assert quantities == ["reward", "quality", "flops"]
    assert [path.name for path in paths] == [
        *("front-flops.svg", "iterations-flops.svg", "course-flops.svg"),
        *("candidates-flops.csv", "course-flops.csv"),
    ]
    assert sorted(paths) == sorted((tmp_path / "plots").iterdir())


def test_without_penalty_the_reward_is_not_drawn_twice(own_run, tmp_path, quantities) -> None:
    run = RunFolder.open(own_run)
    config = run.config()
    plain = config.reward.model_copy(update={"penalties": ()})
    run.save_config(config.model_copy(update={"reward": plain}))
    reading = Reading("params")
    plots.save_plots(
        read_searches([read_snapshot(run)], reading), reading, tmp_path / "plots", ("svg",)
    )
    assert quantities == ["quality", "params"]
    header = (tmp_path / "plots/course-params.csv").read_text().splitlines()[0]
    assert header == "search,trial,best_quality,hypervolume_params,repeats"


def test_rungs_are_drawn_where_enough_candidates_were_scored_at_two(own_run, tmp_path) -> None:
    run, reading = RunFolder.open(own_run), Reading("flops")
    (search,) = read_searches([read_snapshot(run)], reading)
    scored = [
        replace(search.complete[0], number=n, rungs={"stage0": n / 10, "stage1": n / 20})
        for n in range(8)
    ]
    search = replace(search, complete=tuple(scored))
    names = [path.name for path in plots.save_plots([search], reading, tmp_path, ("svg",))]
    assert names[-4:] == ["rungs.svg", "candidates-flops.csv", "course-flops.csv", "rungs.csv"]
    rows = (tmp_path / "rungs.csv").read_text().splitlines()
    assert rows[0] == "search,trial,stage0,stage1,cut_short_at"
    assert rows[8] == "own,7,0.7,0.35,"


def test_a_folder_that_cannot_be_made_is_named(finished_run, own_run, tmp_path) -> None:
    (tmp_path / "file").write_text("mine")
    reading = Reading("flops")
    searches = read_searches([read_snapshot(RunFolder.open(finished_run))], reading)
    with pytest.raises(UserError, match=r"file/plots: cannot make a folder for plots"):
        plots.save_plots(searches, reading, tmp_path / "file/plots", ("svg",))


def test_a_comparison_that_cannot_be_drawn_makes_no_folder(own_run, tmp_path) -> None:
    same = shutil.copytree(own_run, tmp_path / "same")
    reading = Reading("flops")
    (search,) = read_searches([read_snapshot(RunFolder.open(same))], reading)
    series = [search.series, search.series]
    with pytest.raises(UserError, match="two searches are named 'same'"):
        plots.save_comparison(series, reading, tmp_path / "plots", ("svg",))
    assert not (tmp_path / "plots").exists()
