from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from nas.benchmarking.contest import Contender
from nas.benchmarking.play import Play
from nas.benchmarking.summary import Summary, summarise
from nas.errors import UserError
from nas.evaluation.table import Table
from nas.report.benchmark import benchmark_tables
from nas.report.benchmark_files import DATA_FORMATS, check_path, save_data, save_plot
from nas.searching.config import TableSearchConfig


@pytest.fixture(name="table")
def _table(tmp_path: Path) -> Table:
    path = tmp_path / "table.npz"
    np.savez(
        path,
        arch=["a", "b", "c", "d"],
        macs=[1.0, 2.0, 3.0, 4.0],
        cifar10_val12=[20.0, 60.0, 60.0, 40.0],
        cifar10_test200=[25.0, 70.0, 65.0, 90.0],
        dots_val12=[20.0, 60.0, 60.0, 40.0],
    )
    return Table.load(path)


def _summary(table: Table, name: str, dataset: str = "cifar10", cost: str | None = None) -> Summary:
    penalties = [{"cost": cost, "base": 1.0}] if cost else []
    config = TableSearchConfig.model_validate(
        {"table": str(table.path), "dataset": dataset, "reward": {"penalties": penalties}}
    )
    rows = [[0, 3, 2, 1], [3, 1, 2, 0]]
    plays = [Play(np.array(one), np.arange(4) > 2, 7200.0, 0.006) for one in rows]
    contender = Contender(name, dataset, (config,))
    return summarise(contender, (5, 6), plays, table, (2, 4) if cost else ())


def _text(summaries: list[Summary], table: Table, width: int = 80) -> list[str]:
    console = Console(width=width, file=io.StringIO())
    for grid in benchmark_tables(summaries, table, 4, (2, 4)):
        console.print(grid)
    return console.file.getvalue().splitlines()


def _cells(lines: list[str], name: str) -> list[str]:
    (line,) = [line for line in lines if line.startswith(f"│ {name} ")]
    return [cell.strip() for cell in line.strip("│").split("│")]


def test_a_row_has_mean_and_deviation_of_what_was_chosen(table: Table) -> None:
    lines = _text([_summary(table, "mine"), _summary(table, "yours")], table)
    assert lines[0].strip() == "cifar10: 2 searches of 4 evaluations"
    row = ["60.00 ± 0.00", "67.50 ± 3.54", "2.0", "25%", "1.5"]
    assert _cells(lines, "mine") == ["mine", *row]
    assert _cells(lines, "yours") == ["yours", *row]


def test_published_rows_stand_below(table: Table) -> None:
    lines = _text([_summary(table, "mine")], table)
    assert _cells(lines, "REINFORCE, published")[2] == "93.85 ± 0.37"
    assert _cells(lines, "best by validation")[1] == "60.00"
    assert _cells(lines, "best by test")[2] == "90.00"


def test_a_data_set_of_ones_own_has_nothing_published(table: Table) -> None:
    text = "\n".join(_text([_summary(table, "mine", "dots")], table))
    assert "published" not in text
    assert "60.00 ± 0.00 │    - │" in text


def test_every_data_set_has_a_table(table: Table) -> None:
    lines = _text([_summary(table, "mine"), _summary(table, "mine", "dots")], table)
    titles = [line.split(":")[0] for line in lines if "searches of" in line]
    assert titles == ["cifar10", "dots"]


def test_with_a_penalty_the_hypervolume_is_told(table: Table) -> None:
    lines = _text([_summary(table, "mine", cost="macs")], table)
    assert not any("published" in line for line in lines)
    start = next(index for index, line in enumerate(lines) if "hypervolume" in line)
    assert _cells(lines[start:], "mine")[2] == "1.0000 ± 0.0000"
    assert "2 evaluations" in lines[start + 2] or "2 evaluations" in lines[start + 3]


def test_repetitions_are_saved_as_csv(table: Table, tmp_path: Path) -> None:
    save_data(tmp_path / "out.csv", [_summary(table, "mine", cost="macs")])
    with (tmp_path / "out.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["seed"] for row in rows] == ["5", "6"]
    assert (rows[0]["controller"], rows[0]["dataset"]) == ("mine", "cifar10")
    assert (rows[0]["validation"], rows[0]["test"]) == ("60.0", "65.0")
    assert float(rows[0]["hypervolume_share_at_4"]) == pytest.approx(1)


def test_json_holds_the_curves_too(table: Table, tmp_path: Path) -> None:
    save_data(tmp_path / "out.json", [_summary(table, "mine"), _summary(table, "mine", "dots")])
    content: dict[str, Any] = json.loads((tmp_path / "out.json").read_text())
    assert [row["dataset"] for row in content["repetitions"]] == ["cifar10"] * 2 + ["dots"] * 2
    first, second = content["curves"]
    assert first["test"] == [57.5, 80, 67.5, 67.5]
    assert second == {
        **{"controller": "mine", "dataset": "dots", "validation": [30, 50, 60, 60]},
        **{"test": None, "share": None},
    }


@pytest.mark.parametrize("cost", [None, "macs"])
def test_the_course_is_drawn(table: Table, tmp_path: Path, cost: str | None) -> None:
    summaries = [
        _summary(table, name, dataset, cost)
        for dataset in ("cifar10", "dots")
        for name in ("mine", "yours")
    ]
    save_plot(tmp_path / "course.svg", summaries, table)
    text = (tmp_path / "course.svg").read_text()
    for label in ("cifar10: test (%)", "dots: validation (%)", "mine", "yours", "Evaluations"):
        assert f"<!-- {label} -->" in text
    assert ("<!-- dots: hypervolume -->" in text) == (cost is not None)


def test_files_that_cannot_be_written_are_refused(tmp_path: Path) -> None:
    check_path(tmp_path / "out.csv", DATA_FORMATS)
    with pytest.raises(UserError, match=r"must end in \.csv or \.json"):
        check_path(tmp_path / "out.txt", DATA_FORMATS)
    with pytest.raises(UserError, match="no folder"):
        check_path(tmp_path / "none" / "out.csv", DATA_FORMATS)
