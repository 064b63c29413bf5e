from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import search_spaces
from nas.errors import UserError
from nas.evaluation.evaluation import EvaluationError, Rung
from nas.evaluation.table import Table
from nas.evaluation.table_evaluator import TableEvaluator, rows_of

SPACE = search_spaces.create("nasbench201")
IDENTITY = "|skip_connect~0|+|none~0|none~1|+|none~0|skip_connect~1|none~2|"
# The same function as the first: its output is its input, through another edge.
SAME = "|none~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|"
LARGE = "|nor_conv_3x3~0|+|none~0|none~1|+|none~0|skip_connect~1|none~2|"
ABSENT = "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"


@pytest.fixture(name="table")
def _table(tmp_path: Path) -> Table:
    path = tmp_path / "table.npz"
    np.savez(
        path,
        arch=[IDENTITY, SAME, LARGE],
        macs=[10, 11, 40],
        latency_ms_phone=[1.5, 1.25, 3.0],
        shapes_val3=[20.0, 21.0, 30.0],
        shapes_val12=[40.0, 41.0, 80.0],
        shapes_test200=[91.0, 92.0, 93.0],
        seconds=[12.0, 16.0, 48.0],
    )
    return Table.load(path)


@pytest.fixture(name="evaluator")
def _evaluator(table: Table) -> TableEvaluator:
    return TableEvaluator(table, rows_of(table, SPACE), "shapes")


def test_a_candidate_has_the_figures_of_its_row(evaluator: TableEvaluator) -> None:
    record = evaluator.evaluate(SPACE.parse(LARGE), 0).to_record()
    assert record["scores"] == {"accuracy": {"shapes": 0.8}}
    assert record["macro"] == {"accuracy": 0.8}
    assert record["costs"] == {"macs": 40, "flops": 80, "latency_ms_phone": 3}
    assert record["seconds"] == {"virtual": 48}
    assert record["details"] == {"row": 2}
    assert (record["rung"], record["stopped"]) == ("epoch 12", False)


def test_nothing_of_the_test_split_is_recorded(evaluator: TableEvaluator) -> None:
    for text in (IDENTITY, SAME, LARGE):
        record = str(evaluator.evaluate(SPACE.parse(text), 0).to_record())
        assert not any(figure in record for figure in ("0.91", "0.92", "0.93", "test"))


def test_cells_of_the_same_function_have_rows_of_their_own(evaluator: TableEvaluator) -> None:
    first, second = SPACE.parse(IDENTITY), SPACE.parse(SAME)
    assert SPACE.canonical_key(first) == SPACE.canonical_key(second)
    assert evaluator.evaluate(first, 0).details == {"row": 0}
    assert evaluator.evaluate(second, 0).details == {"row": 1}


def test_fewer_epochs_are_rungs(evaluator: TableEvaluator) -> None:
    seen: list[Rung] = []
    evaluation = evaluator.evaluate(SPACE.parse(LARGE), 0, lambda rung: not seen.append(rung))
    (rung,) = seen
    assert (rung.name, rung.scores) == ("epoch 3", {"accuracy": {"shapes": 0.3}})
    assert rung.costs == evaluation.costs
    assert not evaluation.stopped


def test_a_candidate_that_is_stopped_takes_less_time(evaluator: TableEvaluator) -> None:
    evaluation = evaluator.evaluate(SPACE.parse(LARGE), 0, lambda rung: False)
    assert evaluation.scores == {"accuracy": {"shapes": 0.3}}
    assert evaluation.seconds == {"virtual": 12}
    assert (evaluation.rung, evaluation.stopped) == ("epoch 3", True)


def test_a_candidate_that_the_table_lacks_fails(evaluator: TableEvaluator) -> None:
    absent = SPACE.parse(ABSENT)
    with pytest.raises(EvaluationError, match="has no row for"):
        evaluator.evaluate(absent, 0)
    with pytest.raises(EvaluationError, match="has no row for"):
        evaluator.counts(absent)


def test_a_row_of_another_space_is_refused(table: Table) -> None:
    with pytest.raises(UserError, match="row 0 is not of the space 'fastnas': a genotype"):
        rows_of(table, search_spaces.create("fastnas"))


def test_a_candidate_that_stands_in_the_table_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "table.npz"
    np.savez(path, arch=[LARGE, SAME, LARGE], macs=[1, 2, 3], shapes_val12=[5, 6, 7])
    with pytest.raises(UserError, match=r"rows 0 and 2 are both '.nor_conv_3x3"):
        rows_of(Table.load(path), SPACE)


def test_the_costs_of_a_row_are_known_before_it_is_looked_up(evaluator: TableEvaluator) -> None:
    assert evaluator.known_costs(SPACE.parse(IDENTITY)) == {
        "macs": 10,
        "flops": 20,
        "latency_ms_phone": 1.5,
    }
    with pytest.raises(EvaluationError, match="has no row for"):
        evaluator.known_costs(SPACE.parse(ABSENT))
