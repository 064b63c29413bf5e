from __future__ import annotations

import csv
from pathlib import Path

import pytest

from nas.pareto.candidates import Candidate, Series
from nas.pareto.objectives import Objective, ParetoError
from nas.pareto.table import candidate_rows, write_csv

OBJECTIVES = (Objective("quality", "maximise"), Objective("flops", "minimise"))


def search(name: str, *points: tuple[float, float]) -> Series:
    return Series(
        name,
        tuple(Candidate(i, i, {"quality": q, "flops": f}) for i, (q, f) in enumerate(points)),
    )


def test_rows_tell_which_candidates_are_on_which_front() -> None:
    searches = [search("a", (0.5, 2.0), (0.4, 3.0)), search("b", (0.45, 2.5), (0.6, 4.0))]
    rows = candidate_rows(searches, OBJECTIVES)
    assert [(r["search"], r["trial"], r["on_front"], r["on_joint_front"]) for r in rows] == [
        ("a", 0, True, True),
        ("a", 1, False, False),
        ("b", 0, True, False),
        ("b", 1, True, True),
    ]


def test_a_file_gives_back_every_figure(tmp_path: Path) -> None:
    rows = candidate_rows([search("a, b", (0.1 + 0.2, 2e9))], OBJECTIVES)
    path = write_csv(tmp_path / "new" / "front.csv", rows)
    with path.open(newline="", encoding="utf-8") as stream:
        (row,) = csv.DictReader(stream)
    assert row["search"] == "a, b"
    assert (row["trial"], row["iteration"]) == ("0", "0")
    assert float(row["quality"]) == 0.1 + 0.2
    assert float(row["flops"]) == 2e9


def test_the_header_is_of_all_rows(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "t.csv", [{"a": 1}, {"a": 2, "b": 3}])
    assert path.read_text() == "a,b\n1,\n2,3\n"


def test_no_rows_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ParetoError, match="no rows to write"):
        write_csv(tmp_path / "t.csv", [])
