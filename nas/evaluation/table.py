"""Tables of candidates that others have trained: what a file holds, and how it is read.

The format is described in docs/benchmark.md.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas.errors import UserError
from nas.evaluation.table_file import Columns, read_columns

Column = NDArray[np.float64]

_SCORES = re.compile(r"(?P<dataset>.+)_(?P<split>val|test)(?P<epochs>[1-9]\d*)")
_COSTS = re.compile(r"params|(latency|energy|memory)_.+")
_IMAGES = 50_000
_MACS_PER_SECOND = 1e12


@dataclass(frozen=True)
class Scores:
    """Accuracies on one data set, in percent, by the epochs that a candidate was trained.

    Attributes:
        validation: What a search may look at, fewest epochs first.
        test: What is reported of the candidate that a search has chosen, likewise.
    """

    validation: Mapping[int, Column]
    test: Mapping[int, Column]

    @property
    def epochs(self) -> int:
        """Epochs of a whole evaluation: the most that validation was recorded after."""
        return max(self.validation)


@dataclass(frozen=True)
class Table:
    """Figures of candidates, one row each; use `load`.

    Attributes:
        path: The file.
        architectures: What is parsed by a search space, one text for each row.
        datasets: Accuracies by data set.
        unusable: Why other data sets cannot be searched, a sentence by data set.
        costs: Costs by name: macs, flops (twice the macs), params and what else there is.
        seconds: Time that a whole evaluation took, or None where that is not recorded.
    """

    path: Path
    architectures: tuple[str, ...]
    datasets: Mapping[str, Scores]
    unusable: Mapping[str, str]
    costs: Mapping[str, Column]
    seconds: Column | None

    @classmethod
    def load(cls, path: Path) -> Table:
        """Reads a file.

        Args:
            path: See `nas.evaluation.table_file.read_columns`.

        Raises:
            UserError: If it cannot be read, or a column is missing or holds what it must not. A
                wrong column of accuracies alone makes its data set unusable, not the others.
        """
        columns = _read(path)
        datasets, unusable = _datasets(path, columns)
        return cls(
            path,
            _architectures(path, columns),
            datasets,
            unusable,
            _costs(path, columns),
            _positive(path, columns, "seconds") if "seconds" in columns else None,
        )

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.architectures)

    def scores(self, dataset: str) -> Scores:
        """The accuracies on a data set.

        Raises:
            UserError: If the table has none, or they are not usable.
        """
        if dataset in self.unusable:
            raise UserError(self.unusable[dataset])
        if dataset not in self.datasets:
            raise UserError(
                f"{self.path}: no data set {dataset!r}; the table has: {', '.join(self.datasets)}."
            )
        return self.datasets[dataset]

    def training_seconds(self, dataset: str, epochs: int) -> Column | None:
        """Seconds of training for some epochs.

        Without a column `seconds` this is a model and no measurement: three times the
        multiply-accumulates of a forward pass for each of 50,000 images and each epoch, at 10^12
        of them per second; a table with neither tells no times.
        """
        if self.seconds is not None:
            return self.seconds * epochs / self.scores(dataset).epochs
        if "macs" not in self.costs:
            return None
        return self.costs["macs"] * (3 * _IMAGES * epochs / _MACS_PER_SECOND)


def _read(path: Path) -> Columns:
    columns = read_columns(path)
    for name, column in columns.items():
        if column.ndim != 1 or len(column) != len(columns.get("arch", column)):
            raise UserError(
                f"{path}: column {name!r} has the shape {column.shape}; every column needs one "
                "value for each row of 'arch'."
            )
    return columns


def _architectures(path: Path, columns: Mapping[str, NDArray[Any]]) -> tuple[str, ...]:
    if "arch" not in columns:
        raise UserError(f"{path}: no column 'arch', which says what each row is about.")
    if columns["arch"].dtype.kind != "U" or not len(columns["arch"]):
        raise UserError(f"{path}: column 'arch' must hold at least one text, the architecture.")
    return tuple(columns["arch"].tolist())


def _datasets(
    path: Path, columns: Mapping[str, NDArray[Any]]
) -> tuple[dict[str, Scores], dict[str, str]]:
    """The data sets, and why others cannot be searched."""
    names: dict[str, list[re.Match[str]]] = {}
    for name in columns:
        match = _SCORES.fullmatch(name)
        if match:
            names.setdefault(match["dataset"], []).append(match)
    if not names:
        raise UserError(
            f"{path}: no accuracies; name their columns by data set, split and epochs, for "
            "example 'cifar10_val12'."
        )
    found: dict[str, Scores] = {}
    unusable: dict[str, str] = {}
    for dataset, matches in names.items():
        try:
            found[dataset] = _scores(path, columns, dataset, matches)
        except UserError as error:
            unusable[dataset] = str(error)
    if not found:
        raise UserError(next(iter(unusable.values())))
    return found, unusable


def _scores(
    path: Path,
    columns: Mapping[str, NDArray[Any]],
    dataset: str,
    matches: Sequence[re.Match[str]],
) -> Scores:
    splits: dict[str, dict[int, Column]] = {"val": {}, "test": {}}
    for match in matches:
        splits[match["split"]][int(match["epochs"])] = _percentages(path, columns, match[0])
    if not splits["val"]:
        raise UserError(
            f"{path}: data set {dataset!r} has no validation accuracy, without which nothing "
            f"can be searched; add a column such as '{dataset}_val12'."
        )
    return Scores(dict(sorted(splits["val"].items())), dict(sorted(splits["test"].items())))


def _costs(path: Path, columns: Mapping[str, NDArray[Any]]) -> dict[str, Column]:
    # Published tables call multiply-accumulates FLOPs.
    names = [name for name in ("macs", "flops") if name in columns]
    if len(names) == 2:
        raise UserError(
            f"{path}: both of the columns 'macs' and 'flops'; a table has one of them, and both "
            "names mean multiply-accumulates."
        )
    others = {name: _positive(path, columns, name) for name in columns if _COSTS.fullmatch(name)}
    if not names:
        return others
    macs = _positive(path, columns, names[0])
    return {"macs": macs, "flops": 2 * macs, **others}


def _percentages(path: Path, columns: Mapping[str, NDArray[Any]], name: str) -> Column:
    values = _numbers(path, columns, name)
    if values.min() < 0 or values.max() > 100:
        raise UserError(
            f"{path}: column {name!r} must hold percentages from 0 to 100, not "
            f"{values.min():g} to {values.max():g}."
        )
    if values.max() <= 1:
        raise UserError(
            f"{path}: column {name!r} must hold percentages, but its largest is "
            f"{values.max():g}; multiply it by 100."
        )
    return values


def _positive(path: Path, columns: Mapping[str, NDArray[Any]], name: str) -> Column:
    values = _numbers(path, columns, name)
    if values.min() <= 0:
        raise UserError(
            f"{path}: column {name!r} must hold numbers above 0, but its least is {values.min():g}."
        )
    return values


def _numbers(path: Path, columns: Mapping[str, NDArray[Any]], name: str) -> Column:
    if columns[name].dtype.kind not in "iuf":
        raise UserError(f"{path}: column {name!r} must hold numbers, not {columns[name].dtype}.")
    values = columns[name].astype(np.float64)
    wrong = np.flatnonzero(~np.isfinite(values))
    if wrong.size:
        raise UserError(
            f"{path}: column {name!r} is {values[wrong[0]]} in row {wrong[0]}; every row needs a "
            "finite number."
        )
    return values
