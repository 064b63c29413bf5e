from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nas.benchmarking.board import Board
from nas.benchmarking.play import Play, play, side_by_side
from nas.controllers.sampler import ControllerSampler
from nas.searching import search
from nas.searching.assembly import IMPORT_PATH, standard
from nas.searching.config import TableSearchConfig
from nas.searching.records import complete_records
from nas.searching.sections import ControllerSettings
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


@pytest.mark.parametrize("workers", [2, 7])
def test_with_workers_in_flight_a_draw_knows_all_but_as_many_results(
    config: TableSearchConfig, board: Board, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    unknown = []
    draw = ControllerSampler.sample_relative

    def watched(self: ControllerSampler, *args: Any) -> Any:
        drawn = draw(self, *args)
        unknown.append(args[1].number - self.learned)
        return drawn

    monkeypatch.setattr(ControllerSampler, "sample_relative", watched)
    values = {"trials": 40, "workers": workers, "controller": ControllerSettings(name="reinforce")}
    played = play(config.model_copy(update=values), board)
    assert unknown[: workers - 1] == list(range(workers - 1))
    # Fewer where a worker waited for the result of a network that another one had drawn.
    assert max(unknown) == workers - 1
    assert len(played.rows) == 40


def test_workers_in_flight_end_in_an_order_of_the_seed(
    config: TableSearchConfig, board: Board
) -> None:
    found = [
        play(config.model_copy(update={"workers": workers, "seed": 1}), board).rows.tolist()
        for workers in (1, 4, 4)
    ]
    assert found[1] == found[2]
    # The random controller draws the same candidates whatever is known.
    assert sorted(found[0]) == sorted(found[1])


def test_searches_side_by_side_take_turns() -> None:
    plays = [
        Play(np.array(rows), np.array(rows) > 20, seconds, 1.0)
        for rows, seconds in (([10, 11, 12], 5.0), ([20, 21], 7.0))
    ]
    both = side_by_side(plays)
    assert both.rows.tolist() == [10, 20, 11, 21, 12]
    assert both.repeats.tolist() == [False, False, False, True, False]
    assert (both.virtual_seconds, both.cpu_seconds) == (12.0, 2.0)
