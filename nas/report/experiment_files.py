"""Tables of trainings over several seeds, in files."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from nas.errors import UserError
from nas.experiments.evaluation import RunEvaluation
from nas.experiments.run import mean_and_spread
from nas.files import write_text

HEADINGS = ("row", "figure", "n", "mean", "sample std", "checkpoint", "values")
FORMATS = (".csv", ".md")
_DIGITS = 4
Row = tuple[str, ...]


def check_table(path: Path) -> None:
    """Refuses a file of a format that is not written.

    Raises:
        UserError: With those that are.
    """
    if path.suffix not in FORMATS:
        raise UserError(f"{path}: the file of a table ends in {' or '.join(FORMATS)}.")


def evaluation_rows(evaluation: RunEvaluation) -> list[Row]:
    """A row of `HEADINGS` for each figure of an evaluation; a single value has no deviation."""
    return [
        figure_row(row, key, values, evaluation.checkpoint)
        for row, figures in evaluation.figures.items()
        for key, values in figures.items()
    ]


def figure_row(row: str, key: str, values: Sequence[float], checkpoint: str) -> Row:
    """A row of `HEADINGS`.

    Args:
        row: What was scored.
        key: Name of the figure.
        values: One for each seed.
        checkpoint: The rule that chose the epoch.
    """
    mean, spread = mean_and_spread(list(values))
    numbers = (mean, *(() if spread is None else (spread,)))
    shown = [f"{number:.{_DIGITS}f}" for number in numbers]
    name = "" if row == "none" else row
    rule = row if row.startswith("best by ") else checkpoint
    told = " ".join(f"{value:.{_DIGITS}f}" for value in values)
    return (name, key, str(len(values)), shown[0], "".join(shown[1:]), rule, told)


def write_table(rows: Sequence[Row], path: Path) -> None:
    """Writes rows of `HEADINGS` as CSV or Markdown, by the end of the file's name.

    Raises:
        UserError: If the name ends otherwise.
        DiskFullError: If there is no room for it.
    """
    check_table(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".csv":
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([HEADINGS, *rows])
        write_text(path, text.getvalue())
        return
    lines = [HEADINGS, ("---",) * len(HEADINGS), *rows]
    write_text(path, "".join(f"| {' | '.join(line)} |\n" for line in lines))
