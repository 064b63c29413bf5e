"""Labelled images with named classes, splits and augmentation."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nas.tasks.data_check import CheckReport, check
    from nas.tasks.dataset import SegmentationDataset
    from nas.tasks.registry import load, names
    from nas.tasks.task import Task
    from nas.tasks.transforms import Augmentation

__all__ = ["Augmentation", "CheckReport", "SegmentationDataset", "Task", "check", "load", "names"]

_MODULES = {
    "Augmentation": "transforms",
    "CheckReport": "data_check",
    "SegmentationDataset": "dataset",
    "Task": "task",
    "check": "data_check",
    "load": "registry",
    "names": "registry",
}


def __getattr__(name: str) -> Any:
    # torch takes seconds to import; `nas --help` and the configuration do without it.
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
