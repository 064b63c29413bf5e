"""Keeps drawn faces on disk."""

from __future__ import annotations

import logging
import zipfile
from pathlib import Path

import numpy as np

from nas.files import DiskFullError, replacing

_logger = logging.getLogger(__name__)


def read_arrays(path: Path, names: tuple[str, ...]) -> tuple[np.ndarray, ...] | None:
    """Reads arrays from an npz file, or returns None if it is missing or damaged."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            return tuple(stored[name] for name in names)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None


def write_arrays(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Writes an npz file in one step, so that another process never reads half of it.

    Nothing depends on it: where the disk refuses, a warning says that it is not kept.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary, temporary.open("wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]
    except (OSError, DiskFullError) as error:
        _logger.warning("%s: the faces are not kept (%s).", path, error)
