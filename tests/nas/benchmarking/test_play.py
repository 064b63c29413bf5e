from __future__ import annotations

from pathlib import Path

import numpy as np

from nas.benchmarking.board import Board
from nas.benchmarking.play import Play, play, side_by_side
from nas.searching import search
from nas.searching.assembly import IMPORT_PATH, standard
from nas.searching.config import TableSearchConfig
from nas.searching.records import complete_records
from nas.searching.study import read_study


def _penalised(config: TableSearchConfig) -> TableSearchConfig:
    penalties = [{"cost": "latency_ms_toy", "exponent": -0.2}]
    values = config.model_dump() | {"reward": {"penalties": penalties}, "seed": 3}
    values["controller"] = {"name": "evolution", "settings": {"population": 4, "sample": 2}}
    return TableSearchConfig.model_validate(values)


def test_a_play_evaluates_what_a_search_with_a_file_does(
    config: TableSearchConfig, board: Board, tmp_path: Path
) -> None:
    config = _penalised(config)
    run = search.start(config, tmp_path / "run", standard, IMPORT_PATH)
    records = complete_records(read_study(run))
    played = play(config, board)
    assert played.rows.tolist() == [record.details["row"] for record in records]
    assert played.repeats.tolist() == [record.repeats is not None for record in records]


def test_a_play_is_a_function_of_its_seed(config: TableSearchConfig, board: Board) -> None:
    plays = [play(config.model_copy(update={"seed": seed}), board) for seed in (1, 1, 2)]
    assert plays[0].rows.tolist() == plays[1].rows.tolist()
    assert plays[0].rows.tolist() != plays[2].rows.tolist()


def test_repeated_networks_take_no_virtual_time(config: TableSearchConfig, board: Board) -> None:
    # Nearly every child repeats its parent or itself.
    played = play(_penalised(config).model_copy(update={"trials": 60}), board)
    assert 0 < played.repeats.sum() < 60
    assert played.virtual_seconds == 36 * (60 - played.repeats.sum())
    assert played.cpu_seconds > 0


def test_searches_side_by_side_take_turns() -> None:
    plays = [
        Play(np.array(rows), np.array(rows) > 20, seconds, 1.0)
        for rows, seconds in (([10, 11, 12], 5.0), ([20, 21], 7.0))
    ]
    both = side_by_side(plays)
    assert both.rows.tolist() == [10, 20, 11, 21, 12]
    assert both.repeats.tolist() == [False, False, False, True, False]
    assert (both.virtual_seconds, both.cpu_seconds) == (12.0, 2.0)
