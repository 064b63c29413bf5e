"""Labelled images with named classes, splits and augmentation."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nas.tasks.antispoofing.task import AntiSpoofingTask
    from nas.tasks.check_report import CheckReport
    from nas.tasks.classification.augmentation import AugmentationSettings
    from nas.tasks.classification.dataset import ClassificationDataset
    from nas.tasks.classification.mixing import Mixing
    from nas.tasks.classification.task import ClassificationTask
    from nas.tasks.data_check import check, require_sound
    from nas.tasks.huggingface import unpack
    from nas.tasks.in_memory import from_datasets
    from nas.tasks.recognising.writing import initialise
    from nas.tasks.registry import (
        address,
        is_importable,
        kinds,
        load,
        load_classification,
        load_segmentation,
        moved,
        names,
        register,
        told_kind,
    )
    from nas.tasks.segmentation.augmentation import Augmentation
    from nas.tasks.segmentation.dataset import SegmentationDataset
    from nas.tasks.segmentation.task import SegmentationTask
    from nas.tasks.task import Address, Task

__all__ = [
    "Address",
    "AntiSpoofingTask",
    "Augmentation",
    "AugmentationSettings",
    "CheckReport",
    "ClassificationDataset",
    "ClassificationTask",
    "Mixing",
    "SegmentationDataset",
    "SegmentationTask",
    "Task",
    "address",
    "check",
    "from_datasets",
    "initialise",
    "is_importable",
    "kinds",
    "load",
    "load_classification",
    "load_segmentation",
    "moved",
    "names",
    "register",
    "require_sound",
    "told_kind",
    "unpack",
]

_MODULES = {
    "Address": "task",
    "AntiSpoofingTask": "antispoofing.task",
    "Augmentation": "segmentation.augmentation",
    "AugmentationSettings": "classification.augmentation",
    "CheckReport": "check_report",
    "ClassificationDataset": "classification.dataset",
    "ClassificationTask": "classification.task",
    "Mixing": "classification.mixing",
    "SegmentationDataset": "segmentation.dataset",
    "SegmentationTask": "segmentation.task",
    "Task": "task",
    "address": "registry",
    "check": "data_check",
    "from_datasets": "in_memory",
    "initialise": "recognising.writing",
    "is_importable": "registry",
    "kinds": "registry",
    "load": "registry",
    "load_classification": "registry",
    "load_segmentation": "registry",
    "moved": "registry",
    "names": "registry",
    "register": "registry",
    "require_sound": "data_check",
    "told_kind": "registry",
    "unpack": "huggingface",
}


def __getattr__(name: str) -> Any:
    # torch takes seconds to import; `nas --help` and the configuration do without it.
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
