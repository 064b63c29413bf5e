from __future__ import annotations

import io

import pytest
from rich.console import Console
from rich.table import Table

from nas.pareto.candidates import Candidate
from nas.report.tables import check_table, figure, front_table, score_table
from nas.tasks.check_report import CheckReport
from nas.tasks.segmentation.data_check import ClassShares

VALUES = {
    **{"quality": 0.81234, "reward": 0.7, "params": 3_456_789.0, "macs": 31_234_567.0},
    **{"flops": 62_469_134.0, "latency": 12.345, "f1_eyes": 0.9, "f1_brows": 0.8},
}
SCORES = {
    "quality": 0.5,
    "macro": {"f1": 0.4, "iou": 0.3, "accuracy": 0.6},
    "groups": {"eyes": 0.7},
}


def _lines(table: Table, width: int = 80) -> list[str]:
    console = Console(file=io.StringIO(), width=width)
    console.print(table)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line[1:-1].replace("┃", "│").split("│")]


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("params", 950.0, "950"),
        ("params", 3_456_789.0, "3.46 M"),
        ("macs", 31_234.0, "31.2 K"),
        ("flops", 2e9, "2 G"),
        ("latency", 0.08134, "0.0813"),
        ("quality", 0.8, "0.8000"),
        ("f1_eyes", None, "-"),
    ],
)
def test_figures_are_written_as_people_read_them(name, value, text) -> None:
    assert figure(name, value) == text


def test_a_front_leaves_groups_out_where_they_do_not_fit() -> None:
    front = [Candidate(17, 17, VALUES)]
    narrow = _lines(front_table(front, "Front", 80))
    assert _cells(narrow[2]) == [
        *("trial", "quality", "reward", "parameters", "MACs", "FLOPs", "latency (ms)")
    ]
    assert _cells(narrow[4]) == ["17", "0.8123", "0.7000", "3.46 M", "31.2 M", "62.5 M", "12.3"]
    wide = _lines(front_table(front, "Front", 120), 120)
    assert _cells(wide[2])[-2:] == ["f1 eyes", "f1 brows"]
    assert not any("…" in line for line in narrow + wide)


def test_a_front_over_searches_names_them_and_folds_long_names() -> None:
    front = [Candidate(1, 1, VALUES), Candidate(2, 2, VALUES)]
    names = ["faces-20260714-101500", "faces-20260714-113000"]
    lines = _lines(front_table(front, "Front", 80, names))
    assert max(map(len, lines)) <= 80 and not any("…" in line for line in lines)
    rows = [_cells(line) for line in lines if line.startswith("│")]
    starts = [number for number, row in enumerate(rows) if row[1]]
    assert [rows[number][1] for number in starts] == ["1", "2"]
    assert "".join(row[0] for row in rows[: starts[1]]) == names[0]


def test_candidates_with_names_are_shown_with_them() -> None:
    front = [Candidate(0, 0, {"quality": 0.5}, "deep/shallow")]
    lines = _lines(front_table(front, "Front", 80))
    assert [_cells(lines[2]), _cells(lines[4])] == [
        ["trial", "candidate", "quality"],
        ["0", "deep/shallow", "0.5000"],
    ]


def test_a_value_that_a_candidate_lacks_is_a_dash() -> None:
    front = [Candidate(0, 0, {"quality": 0.5, "latency": 1.0}), Candidate(1, 1, {"quality": 0.6})]
    rows = [_cells(line) for line in _lines(front_table(front, "Front", 80))]
    assert rows[-2] == ["1", "0.6000", "-"]


def test_scores_by_class_and_by_group() -> None:
    by_class = {metric: {"skin": 0.9, "hair": None} for metric in ("f1", "iou", "accuracy")}
    table = score_table(SCORES | by_class, ["skin", "hair"])
    rows = [_cells(line) for line in _lines(table) if line.startswith("│")]
    assert rows == [
        *(["skin", "0.9000", "0.9000", "0.9000"], ["hair", "-", "-", "-"]),
        *(["mean", "0.4000", "0.3000", "0.6000"], ["group eyes", "0.7000", "", ""]),
    ]


def test_what_a_task_holds_by_split() -> None:
    one = ClassShares(8, {(40, 60): 8}, {"ground": 0.75, "leaf": 0.25}, 0.0)
    mixed = ClassShares(3, {(40, 60): 2, (20, 20): 1}, {"ground": 0.5, "leaf": 0.25}, 0.25)
    none = ClassShares(0, {}, {"ground": 0.0, "leaf": 0.0}, 0.0)
    report = CheckReport("leaves", {"train": one, "validation": mixed, "test": none})
    rows = [_cells(line) for line in _lines(check_table(report)) if line.startswith("│")]
    assert rows == [
        ["images", "8", "3", "0"],
        ["height x width", "40x60", "40x60, 1 other", "-"],
        ["ground", "75.00%", "50.00%", "0.00%"],
        ["leaf", "25.00%", "25.00%", "0.00%"],
        ["(ignored)", "0.00%", "25.00%", "0.00%"],
    ]
