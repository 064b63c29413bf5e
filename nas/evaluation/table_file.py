"""Reads the columns of a table of candidates: NumPy archives, CSV and Parquet."""

from __future__ import annotations

import csv
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas.errors import UserError

Columns = dict[str, NDArray[Any]]


def read_columns(path: Path) -> Columns:
    """Every column of a file, by name.

    Args:
        path: A NumPy archive (.npz) whose arrays are the columns, a CSV file (.csv) with a header,
            or a Parquet file (.parquet). In the last two, an empty number is NaN.

    Raises:
        UserError: If the file cannot be read, its ending is another, or pyarrow is missing.
    """
    readers: dict[str, Callable[[Path], Columns]] = {
        ".npz": _read_archive,
        ".csv": _read_csv,
        ".parquet": _read_parquet,
    }
    if path.suffix not in readers:
        raise UserError(f"{path}: a table is a file that ends in {', '.join(readers)}.")
    if not path.exists():
        raise UserError(f"{path}: no such file.")
    try:
        return readers[path.suffix](path)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error}).") from error


def _read_archive(path: Path) -> Columns:
    try:
        content = np.load(path, allow_pickle=False)
        if not isinstance(content, np.lib.npyio.NpzFile):
            raise UserError(f"{path}: a single array; a table is an .npz file of several columns.")
        with content:
            return {name: content[name] for name in content.files}
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        # NumPy's own advice would be to allow pickles.
        raise UserError(f"{path}: not an .npz file of plain arrays.") from error


def _read_csv(path: Path) -> Columns:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            header, *rows = csv.reader(file)
    except (ValueError, csv.Error) as error:
        raise UserError(f"{path}: not a CSV file with a header.") from error
    for line, row in enumerate(rows, start=2):
        if len(row) != len(header):
            raise UserError(
                f"{path}: row {line} has {len(row)} values, but the header has {len(header)}."
            )
    return {name: _column([row[place] for row in rows]) for place, name in enumerate(header)}


def _column(texts: Sequence[str]) -> NDArray[Any]:
    """Numbers if all are numbers or empty, texts otherwise."""
    try:
        return np.array([float(text or "nan") for text in texts])
    except ValueError:
        return np.array(texts)


def _read_parquet(path: Path) -> Columns:
    try:
        from pyarrow import ArrowException
        from pyarrow.parquet import read_table
    except ImportError as error:
        raise UserError(
            f"{path}: reading Parquet needs pyarrow; install it with "
            'pip install "nas-toolkit[parquet]".'
        ) from error
    try:
        table = read_table(path)
    except ArrowException as error:
        raise UserError(f"{path}: not a readable Parquet file.") from error
    return {name: _plain(table.column(name)) for name in table.column_names}


def _plain(column: Any) -> NDArray[Any]:
    values: NDArray[Any] = column.to_numpy()
    return values.astype(str) if values.dtype == object else values
