"""Tables of candidates that others have trained: what a file holds, and how it is read.

The format is described in docs/benchmark.md.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas.errors import UserError

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
        costs: Costs by name: macs, flops (twice the macs), params and what else there is.
        seconds: Time that a whole evaluation took, or None where that is not recorded.
    """

    path: Path
    architectures: tuple[str, ...]
    datasets: Mapping[str, Scores]
    costs: Mapping[str, Column]
    seconds: Column | None

    @classmethod
    def load(cls, path: Path) -> Table:
        """Reads a file.

        Args:
            path: A NumPy archive (.npz) whose arrays are the columns.

        Raises:
            UserError: If it cannot be read, or a column is missing or holds what it must not.
        """
        columns = _read(path)
        return cls(
            path,
            _architectures(path, columns),
            _datasets(path, columns),
            _costs(path, columns),
            _positive(path, columns, "seconds") if "seconds" in columns else None,
        )

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.architectures)

    def scores(self, dataset: str) -> Scores:
        """The accuracies on a data set.

        Raises:
            UserError: If the table has none.
        """
        if dataset not in self.datasets:
            raise UserError(
                f"{self.path}: no data set {dataset!r}; the table has: {', '.join(self.datasets)}."
            )
        return self.datasets[dataset]

    def training_seconds(self, dataset: str, epochs: int) -> Column:
        """Seconds of training for some epochs.

        Without a column `seconds` this is a model and no measurement: three times the
        multiply-accumulates of a forward pass for each of 50,000 images and each epoch, at 10^12
        of them per second.
        """
        if self.seconds is not None:
            return self.seconds * epochs / self.scores(dataset).epochs
        return self.costs["macs"] * (3 * _IMAGES * epochs / _MACS_PER_SECOND)


def _read(path: Path) -> dict[str, NDArray[Any]]:
    try:
        content = np.load(path, allow_pickle=False)
        if not isinstance(content, np.lib.npyio.NpzFile):
            raise UserError(f"{path}: a single array; a table is an .npz file of several columns.")
        with content:
            columns = {name: content[name] for name in content.files}
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file.") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error}).") from error
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(f"{path}: not an .npz file of plain arrays ({error}).") from error
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


def _datasets(path: Path, columns: Mapping[str, NDArray[Any]]) -> dict[str, Scores]:
    found: dict[str, dict[str, dict[int, Column]]] = {}
    for name in columns:
        match = _SCORES.fullmatch(name)
        if match:
            splits = found.setdefault(match["dataset"], {"val": {}, "test": {}})
            splits[match["split"]][int(match["epochs"])] = _percentages(path, columns, name)
    for dataset, splits in found.items():
        if not splits["val"]:
            raise UserError(
                f"{path}: data set {dataset!r} has no validation accuracy, without which nothing "
                f"can be searched; add a column such as '{dataset}_val12'."
            )
    if not found:
        raise UserError(
            f"{path}: no accuracies; name their columns by data set, split and epochs, for "
            "example 'cifar10_val12'."
        )
    return {
        dataset: Scores(dict(sorted(splits["val"].items())), dict(sorted(splits["test"].items())))
        for dataset, splits in found.items()
    }


def _costs(path: Path, columns: Mapping[str, NDArray[Any]]) -> dict[str, Column]:
    # Published tables call multiply-accumulates FLOPs.
    names = [name for name in ("macs", "flops") if name in columns]
    if len(names) != 1:
        raise UserError(
            f"{path}: {'both' if names else 'neither'} of the columns 'macs' and 'flops'; a table "
            "has one of them, and both names mean multiply-accumulates."
        )
    macs = _positive(path, columns, names[0])
    others = {name: _positive(path, columns, name) for name in columns if _COSTS.fullmatch(name)}
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
