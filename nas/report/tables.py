"""Tables for a terminal."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from rich.table import Table

from latency.costs import declared, heading
from latency.units import COUNT
from nas.pareto.candidates import Candidate
from nas.report.runs import GROUP_PREFIX
from nas.tasks import CheckReport
from nas.tasks.classification.data_check import ClassCounts
from nas.tasks.segmentation.data_check import ClassShares
from nas.terminal import plain_console

_ANY = 10_000
"""Width of a line that fits any table."""


def front_table(
    front: Sequence[Candidate],
    title: str,
    width: int,
    searches: Sequence[str] = (),
    about: Collection[str] = (),
) -> Table:
    """The candidates of a front.

    Args:
        front: The candidates, in the order of the rows.
        title: Of the table.
        width: Characters of a line. Where the table does not fit, the groups of classes are left
            out, then the last columns that the front is not about.
        searches: The search that each candidate is from, if there are several.
        about: Columns that are never left out.
    """
    columns = list(dict.fromkeys(key for candidate in front for key in candidate.values))
    for kept in _fewer_and_fewer(columns, about):
        table = _front_table(front, title, kept, searches)
        if plain_console(width=_ANY).measure(table).maximum <= width:
            break
    return table


def _fewer_and_fewer(columns: list[str], about: Collection[str]) -> Iterator[list[str]]:
    yield columns
    kept = [column for column in columns if not column.startswith(GROUP_PREFIX)]
    yield kept
    for column in reversed(kept if about else []):
        if column not in about:
            kept = [other for other in kept if other != column]
            yield kept


def _front_table(
    front: Sequence[Candidate], title: str, columns: Sequence[str], searches: Sequence[str]
) -> Table:
    table = Table(title=title, title_justify="left")
    if searches:
        table.add_column("search", overflow="fold")
    table.add_column("trial", justify="right", no_wrap=True)
    labelled = any(candidate.label for candidate in front)
    if labelled:
        table.add_column("candidate", no_wrap=True)
    for column in map(heading, columns):
        table.add_column(column, justify="right", no_wrap=True)
    for row, candidate in enumerate(front):
        cells = [figure(key, candidate.values.get(key)) for key in columns]
        names = [candidate.label] if labelled else []
        table.add_row(*searches[row : row + 1], str(candidate.trial), *names, *cells)
    return table


def check_table(report: CheckReport[ClassShares] | CheckReport[ClassCounts]) -> Table:
    """The content of a task: images, their sizes and the frequency of each class, by split.

    The frequency is a share of the pixels where pixels have classes, and a number of images where
    images have.
    """
    table = Table(title=f"Task {report.name}", title_justify="left")
    table.add_column("")
    for split in report.splits:
        table.add_column(split, justify="right")
    splits = report.splits.values()
    table.add_row("images", *(str(split.count) for split in splits))
    table.add_row("height x width", *(_sizes(split.sizes) for split in splits))
    table.add_section()
    columns = [_class_cells(split) for split in splits]
    for name in columns[0]:
        table.add_row(name, *(column[name] for column in columns))
    return table


def _class_cells(split: ClassShares | ClassCounts) -> dict[str, str]:
    if isinstance(split, ClassCounts):
        return {name: str(count) for name, count in split.images.items()}
    shares = split.shares | {"(ignored)": split.ignored}
    return {name: f"{share:.2%}" for name, share in shares.items()}


def _sizes(sizes: Mapping[tuple[int, int], int]) -> str:
    if not sizes:
        return "-"
    height, width = next(iter(sizes))
    others = len(sizes) - 1
    told = f", {others} other{'s' if others > 1 else ''}" if others else ""
    return f"{height}x{width}{told}"


def score_table(values: dict[str, Any], classes: Sequence[str]) -> Table:
    """Test scores of a network, by class and by group."""
    table = Table(title="Test scores", title_justify="left")
    table.add_column("class")
    known = {"f1": "F1", "iou": "IoU", "accuracy": "accuracy"}
    metrics = [metric for metric in known if metric in values]
    for metric in metrics:
        table.add_column(known[metric], justify="right")
    for name in classes:
        table.add_row(name, *(_score(values[metric].get(name)) for metric in metrics))
    table.add_section()
    macro = values["macro"]
    table.add_row("mean", *(_score(macro.get(metric)) for metric in metrics))
    for name, value in values["groups"].items():
        table.add_row(f"group {name}", _score(value))
    return table


def figure(name: str, value: float | None) -> str:
    """A figure with a unit prefix where it is a count, four decimals where it is a score."""
    if value is None:
        return "-"
    if declared(name) is None:
        return f"{value:.4f}"
    return COUNT.write(value)


def _score(value: float | None) -> str:
    return "-" if value is None or value != value else f"{value:.4f}"
