from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nas.benchmarking.benchmark import load_board, make_contenders, run
from nas.benchmarking.board import Board
from nas.benchmarking.contest import play_all
from nas.benchmarking.settings import BenchmarkSettings
from nas.errors import UserError
from nas.settings import validate

RANDOM = {"name": "random"}
SMALL_EVOLUTION = {"name": "evolution", "settings": {"population": 3, "sample": 2}}


def _settings(table: Path, **changes: Any) -> BenchmarkSettings:
    values = {
        "table": str(table),
        "controllers": [RANDOM],
        "datasets": ["shapes"],
        "trials": 5,
        "seeds": 2,
    }
    return validate(BenchmarkSettings, values | changes, "benchmark")


def test_every_controller_plays_on_every_data_set_with_every_seed(
    toy_table: Path, board: Board
) -> None:
    controllers = [RANDOM, SMALL_EVOLUTION]
    settings = _settings(toy_table, controllers=controllers, datasets=[], seed=7)
    contenders = make_contenders(settings, board)
    done: list[int] = []
    summaries = run(settings, board, contenders, lambda: done.append(1))
    names = [(s.contender.name, s.contender.dataset) for s in summaries]
    assert names == [
        *(("random", "shapes"), ("evolution", "shapes")),
        *(("random", "dots"), ("evolution", "dots")),
    ]
    assert [r.seed for r in summaries[3].repetitions] == [7, 8]
    assert len(done) == 8


def test_the_result_does_not_depend_on_the_processes(toy_table: Path, board: Board) -> None:
    settings = _settings(toy_table, seeds=3)
    contenders = make_contenders(settings, board)
    here = play_all(contenders, range(3), board, 1)
    there = play_all(contenders, range(3), board, 2)
    for one, other in zip(here[0], there[0], strict=True):
        assert one.rows.tolist() == other.rows.tolist()
        assert one.virtual_seconds == other.virtual_seconds


def test_searches_with_several_rewards_share_the_evaluations(toy_table: Path, board: Board) -> None:
    rewards = [
        {"penalties": [{"cost": "latency_ms_toy", "exponent": exponent}]}
        for exponent in (-0.1, -0.3, -0.9)
    ]
    settings = _settings(toy_table, rewards=rewards, trials=11, seeds=1)
    (contender,) = make_contenders(settings, board)
    assert contender.name == "random (3 searches)"
    assert [config.trials for config in contender.configs] == [4, 4, 3]
    (played,) = play_all([contender], [0], board)[0]
    assert len(played.rows) == 11
    # Searches of one seed would all begin with the same candidate.
    assert len(set(played.rows[:3].tolist())) == 3


def test_repetitions_have_seeds_of_their_own(toy_table: Path, board: Board) -> None:
    rewards = [{"penalties": [{"cost": "macs"}]}] * 2
    (contender,) = make_contenders(_settings(toy_table, rewards=rewards), board)
    first, second = play_all([contender], [0, 1], board)[0]
    assert len({*first.rows[:2].tolist(), *second.rows[:2].tolist()}) == 4


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"trials": 0}, "trials: "),
        ({"seeds": 0}, "seeds: "),
        ({"workers": 0}, "workers: "),
        ({"controllers": [RANDOM, RANDOM]}, "controller 'random' is given twice"),
        ({"datasets": ["dots", "dots"]}, "data set 'dots' is given twice"),
        ({"at": [3]}, "needs a penalty"),
        (
            {"at": [6], "rewards": [{"penalties": [{"cost": "macs"}]}]},
            "at must lie between 1 and 5 trials, not 6",
        ),
        ({"rewards": [{}] * 6}, "5 trials cannot be shared by 6 searches"),
    ],
)
def test_what_cannot_be_played_is_refused(
    toy_table: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        _settings(toy_table, **changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"datasets": ["stars"]}, "no data set 'stars'"),
        ({"controllers": [{"name": "luck"}]}, "there is no controller 'luck'"),
        ({"controllers": [{"name": "evolution", "settings": {"size": 3}}]}, "unknown key 'size'"),
        ({"rewards": [{"penalties": [{"cost": "watts"}]}]}, "no cost 'watts' to penalise"),
    ],
)
def test_contenders_are_checked_before_any_plays(
    toy_table: Path, board: Board, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=re.escape(message)):
        make_contenders(_settings(toy_table, **changes), board)


DATA = Path(__file__).parents[4] / "shared/data/nasbench201/nasbench201.npz"


@pytest.mark.skipif(not DATA.is_file(), reason="the table of NAS-Bench-201 is not here")
def test_random_search_is_what_was_published() -> None:
    settings = _settings(DATA, datasets=["cifar10", "cifar100"], trials=100, seeds=10)
    board = load_board(settings)
    for summary, (mean, std) in zip(
        run(settings, board, make_contenders(settings, board)),
        ((93.70, 0.36), (71.04, 1.07)),
        strict=True,
    ):
        # The mean of ten runs lies within three standard errors of that of the 500.
        assert summary.spread("test").mean == pytest.approx(mean, abs=3 * std / np.sqrt(10))


def _partial(toy_table: Path, folder: Path, step: int) -> Path:
    """Every so many rows of the toy table."""
    path = folder / f"every_{step}.npz"
    with np.load(toy_table) as columns:
        np.savez(path, **{name: columns[name][::step] for name in columns.files})
    return path


def test_a_table_of_a_part_of_its_space_is_played_on(toy_table: Path, tmp_path: Path) -> None:
    table = _partial(toy_table, tmp_path, 3)
    penalised = [{"penalties": [{"cost": "params"}]}]
    settings = _settings(table, trials=6, rewards=penalised)
    board = load_board(settings)
    (summary,) = run(settings, board, make_contenders(settings, board))
    assert len(summary.repetitions) == 2
    assert len(summary.curves.validation) == 6


def test_a_search_that_is_given_up_costs_the_others_nothing(
    toy_table: Path, tmp_path: Path
) -> None:
    settings = _settings(_partial(toy_table, tmp_path, 250), trials=1, seeds=6)
    board = load_board(settings)
    notes: list[str] = []
    summaries = run(settings, board, make_contenders(settings, board), say=notes.append)
    played = len(summaries[0].repetitions)
    assert 0 < played < 6
    assert notes[0].startswith(f"random on shapes: {6 - played} of 6 searches were given up")
