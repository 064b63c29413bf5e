"""Looks through the files of a segmentation task before anything is trained on them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from nas.tasks.check_report import CheckReport, listing_problems
from nas.tasks.segmentation.source import SegmentationSource
from nas.tasks.segmentation.task import SegmentationTask


@dataclass(frozen=True)
class ClassShares:
    """What a split holds.

    Attributes:
        count: Number of labelled images.
        sizes: Number of images of each height and width, as stored.
        shares: Share of each class among all pixels of the masks as stored.
        ignored: Share of the pixels that belong to no class.
    """

    count: int
    sizes: dict[tuple[int, int], int]
    shares: dict[str, float]
    ignored: float


def check_segmentation(task: SegmentationTask) -> CheckReport[ClassShares]:
    """Reads every image and mask of a task."""
    reports: dict[str, ClassShares] = {}
    problems = listing_problems(task.sources.values())
    for split, source in task.sources.items():
        reports[split], found = _inspect(source, task.classes)
        problems += found
        if not reports[split].count:
            problems.append(f"{split}: the split has no labelled image.")
    problems += _missing_reward_classes(task, reports["validation"])
    return CheckReport(task.name, reports, problems)


def _inspect(source: SegmentationSource, classes: tuple[str, ...]) -> tuple[ClassShares, list[str]]:
    sizes: Counter[tuple[int, int]] = Counter()
    counts = np.zeros(len(classes) + 1, np.int64)
    problems: list[str] = []
    for inspection in source.inspect():
        if inspection.size is not None:
            sizes[inspection.size] += 1
        counts += inspection.counts
        problems += inspection.problems
    shares = (counts / max(counts.sum(), 1)).tolist()
    named = dict(zip(classes, shares[:-1], strict=True))
    return ClassShares(len(source.names), dict(sizes.most_common()), named, shares[-1]), problems


def _missing_reward_classes(task: SegmentationTask, validation: ClassShares) -> list[str]:
    if not validation.count:
        return []
    return [
        f"validation: no mask has a pixel of the reward class {name!r}; remove it from "
        "reward_classes, or choose another split."
        for name in task.reward_classes
        if validation.shares[name] == 0
    ]
