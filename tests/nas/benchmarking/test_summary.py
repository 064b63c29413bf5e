from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nas.benchmarking.contest import Contender
from nas.benchmarking.play import Play
from nas.benchmarking.published import published_rows
from nas.benchmarking.summary import Spread, Summary, summarise
from nas.evaluation.table import Table
from nas.searching.config import TableSearchConfig


@pytest.fixture(name="table")
def _table(tmp_path: Path) -> Table:
    path = tmp_path / "table.npz"
    np.savez(
        path,
        arch=["a", "b", "c", "d"],
        macs=[1.0, 2.0, 3.0, 4.0],
        shapes_val6=[99.0, 99.0, 99.0, 99.0],
        shapes_val12=[20.0, 60.0, 60.0, 40.0],
        shapes_test100=[0.0, 0.0, 0.0, 2.0],
        shapes_test200=[25.0, 70.0, 65.0, 90.0],
        dots_val12=[20.0, 60.0, 60.0, 40.0],
    )
    return Table.load(path)


def _summary(
    table: Table, *rows: list[int], cost: str | None = None, dataset: str = "shapes"
) -> Summary:
    penalties = [{"cost": cost, "base": 1.0}] if cost else []
    config = TableSearchConfig.model_validate(
        {"table": str(table.path), "dataset": dataset, "reward": {"penalties": penalties}}
    )
    plays = [Play(np.array(one), np.arange(len(one)) > 2, 7200.0, 0.006) for one in rows]
    contender = Contender("mine", dataset, (config,))
    return summarise(contender, range(5, 5 + len(rows)), plays, table, (2,) if cost else ())


def test_the_best_of_a_search_is_the_first_of_the_highest_validation(table: Table) -> None:
    summary = _summary(table, [0, 3, 2, 1], [3, 1, 2, 0])
    assert [r.validation for r in summary.repetitions] == [60, 60]
    assert [r.test for r in summary.repetitions] == [65, 70]
    assert [r.seed for r in summary.repetitions] == [5, 6]
    assert summary.spread("test") == Spread(67.5, pytest.approx(np.sqrt(12.5)))


def test_curves_are_means_over_the_repetitions(table: Table) -> None:
    curves = _summary(table, [0, 3, 2, 1], [3, 1, 2, 0]).curves
    assert curves.validation.tolist() == [30, 50, 60, 60]
    # The test accuracy of the best on validation: it may fall.
    assert curves.test is not None
    assert curves.test.tolist() == [57.5, 80, 67.5, 67.5]
    assert curves.share is None


def test_times_and_repeats_are_shares_of_all_evaluations(table: Table) -> None:
    (repetition,) = _summary(table, [0, 3, 2, 1]).repetitions
    assert repetition.virtual_hours == 2
    assert repetition.repeats == 0.25
    assert repetition.milliseconds == pytest.approx(1.5)


def test_the_hypervolume_is_a_share_of_that_of_the_whole_table(table: Table) -> None:
    summary = _summary(table, [3, 0, 1], cost="macs")
    # The reference point is 0.2 - 0.004 and 4 + 0.03; the front is a and b.
    whole = (0.6 - 0.196) * (4.03 - 2) + (0.2 - 0.196) * (2 - 1)
    alone = (0.4 - 0.196) * (4.03 - 4)
    second = alone + (0.2 - 0.196) * (4 - 1)
    assert summary.curves.share is not None
    assert summary.curves.share.tolist() == pytest.approx([alone / whole, second / whole, 1])
    assert summary.share(2) == Spread(pytest.approx(second / whole), 0)


def test_a_data_set_without_test_accuracies_has_none(table: Table) -> None:
    summary = _summary(table, [0, 1], dataset="dots")
    assert summary.repetitions[0].test is None
    assert summary.curves.test is None


def test_one_repetition_has_no_deviation() -> None:
    assert Spread.of([3.0]) == Spread(3.0, 0.0)


def test_rows_are_published_for_one_space_alone() -> None:
    assert [row.mean for row in published_rows("nasbench201", "cifar100")] == [71.04, 71.71, 71.84]
    assert published_rows("nasbench201", "shapes") == ()
    assert published_rows("fastnas", "cifar10") == ()
