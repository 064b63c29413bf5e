"""Searches on a table: the same loop, study and executors as on images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nas.errors import UserError
from nas.searching import search
from nas.searching.assembly import IMPORT_PATH, standard
from nas.searching.config import TableSearchConfig
from nas.searching.reading import load_config
from nas.searching.records import TrialRecord, complete_records
from nas.searching.reward import saved_reward
from nas.searching.run_folder import RunFolder
from nas.searching.study import read_study


def _config(table: Path, **changes: Any) -> TableSearchConfig:
    values = {"table": str(table), "dataset": "shapes", "controller.name": "random", "trials": 4}
    config = load_config(None, values | changes)
    assert isinstance(config, TableSearchConfig)
    return config


def _start(path: Path, config: TableSearchConfig) -> RunFolder:
    return search.start(config, path, standard, IMPORT_PATH)


def _records(run: RunFolder) -> list[TrialRecord]:
    return complete_records(read_study(run))


def _convolutions(record: TrialRecord) -> tuple[int, int]:
    choices = list(record.choices.values())
    return choices.count("nor_conv_3x3"), choices.count("nor_conv_1x1")


def test_a_search_looks_its_candidates_up(toy_table: Path, tmp_path: Path) -> None:
    for record in _records(_start(tmp_path / "run", _config(toy_table))):
        large, small = _convolutions(record)
        assert record.quality == pytest.approx(0.1 + 0.1 * large + 0.06 * small)
        assert record.costs["latency_ms_toy"] == 1 + 2 * large + small
        assert record.seconds["virtual"] == 36


def test_a_penalised_cost_of_the_table_gets_its_median_as_base(
    toy_table: Path, tmp_path: Path
) -> None:
    penalties = [{"cost": "latency_ms_toy"}]
    run = _start(tmp_path / "run", _config(toy_table, **{"reward.penalties": penalties}))
    (penalty,) = run.config().reward.penalties
    # The median of a whole number of convolutions, each of weight 1 or 2, lies at 4 or 5.
    assert 4 <= float(penalty.base) <= 5
    record = _records(run)[0]
    reward = saved_reward(run.config().reward, [record], "run")
    ratio = record.costs["latency_ms_toy"] / penalty.base
    assert reward(record.scores, record.costs) == pytest.approx(record.quality * ratio**-0.6)


def test_a_search_resumes_as_if_it_had_not_ended(toy_table: Path, tmp_path: Path) -> None:
    evolution = {"name": "evolution", "settings": {"population": 3, "sample": 2}}
    config = _config(toy_table, controller=evolution)
    whole = _start(tmp_path / "whole", config.model_copy(update={"trials": 8}))
    parts = _start(tmp_path / "parts", config.model_copy(update={"trials": 6}))
    search.resume(parts.path, standard, IMPORT_PATH, changes={"trials": 8})
    assert [r.genotype for r in _records(parts)] == [r.genotype for r in _records(whole)]


def test_halving_stops_candidates_at_the_rung_of_fewer_epochs(
    toy_table: Path, tmp_path: Path
) -> None:
    promotion = {"promotion": {"reduction": 2, "at_once": 1}, "trials": 8}
    records = _records(_start(tmp_path / "run", _config(toy_table, **promotion)))
    stopped = [record for record in records if record.stopped]
    assert 0 < len(stopped) < 8
    assert all(record.stopped == "epoch 4" for record in stopped)
    assert all(record.seconds["virtual"] == 12 for record in stopped if not record.repeats)
    assert all(record.quality == record.rungs["epoch 4"] for record in stopped)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dataset": "stars"}, "no data set 'stars'; the table has: shapes, dots"),
        ({"space.name": "fastnas"}, "row 0 is not of the space 'fastnas'"),
        ({"reward.metric": "f1"}, "accuracies alone; leave reward.metric at 'accuracy'"),
        ({"reward.classes": ["dots"]}, "'dots' is not a class of the data set 'shapes'"),
        ({"reward.penalties": [{"cost": "latency"}]}, "no cost 'latency' to penalise; known: macs"),
        (
            {"dataset": "dots", "promotion": {}},
            "successive halving needs validation accuracies of 'dots' after different numbers",
        ),
    ],
)
def test_what_cannot_be_searched_is_refused_before_a_folder_is_made(
    toy_table: Path, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        _start(tmp_path / "run", _config(toy_table, **changes))
    assert not (tmp_path / "run").exists()


def test_a_configuration_file_may_leave_the_table_to_the_command(
    toy_table: Path, tmp_path: Path
) -> None:
    path = tmp_path / "search.yaml"
    path.write_text("trials: 7\n")
    config = load_config(path, {"table": str(toy_table)})
    assert isinstance(config, TableSearchConfig)
    assert (config.trials, config.reward.metric) == (7, "accuracy")
    path.write_text("trials: 7\ntask: faces\n")
    with pytest.raises(UserError, match=r"search\.yaml: unknown key 'task'"):
        load_config(path, {"table": str(toy_table)})
