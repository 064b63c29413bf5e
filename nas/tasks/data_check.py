"""Looks through a task's files before anything is trained on them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nas.tasks.check_report import CheckReport
from nas.tasks.classification.data_check import ClassCounts, check_classification
from nas.tasks.classification.task import ClassificationTask
from nas.tasks.dataset import Source
from nas.tasks.folder import FolderSource
from nas.tasks.registry import AnyTask, load
from nas.tasks.task import Task


@dataclass(frozen=True)
class SplitReport:
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


def check(
    task: AnyTask | str | Path, data: str | Path | None = None, **options: Any
) -> CheckReport[SplitReport] | CheckReport[ClassCounts]:
    """Reads every file of a task.

    Args:
        task: A task, or what `nas.tasks.load` takes.
        data: As for `nas.tasks.load`.
        **options: As for `nas.tasks.load`.

    Raises:
        UserError: If the task cannot be loaded at all.
    """
    if isinstance(task, (str, Path)):
        task = load(task, data, **options)
    if isinstance(task, ClassificationTask):
        return check_classification(task)
    return _check_segmentation(task)


def _check_segmentation(task: Task) -> CheckReport[SplitReport]:
    reports: dict[str, SplitReport] = {}
    problems = list(_pairing_problems(task.sources.values()))
    for split, source in task.sources.items():
        reports[split], found = _inspect(source, task.classes)
        problems += found
        if not reports[split].count:
            problems.append(f"{split}: the split has no labelled image.")
    problems += _missing_reward_classes(task, reports["validation"])
    return CheckReport(task.name, reports, problems)


def _pairing_problems(sources: Iterable[Source]) -> Iterable[str]:
    # The splits of a folder share one list of problems.
    lists = [source.problems for source in sources if isinstance(source, FolderSource)]
    return dict.fromkeys(problem for problems in lists for problem in problems)


def _inspect(source: Source, classes: tuple[str, ...]) -> tuple[SplitReport, list[str]]:
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
    return SplitReport(len(source.names), dict(sizes.most_common()), named, shares[-1]), problems


def _missing_reward_classes(task: Task, validation: SplitReport) -> list[str]:
    if not validation.count:
        return []
    return [
        f"validation: no mask has a pixel of the reward class {name!r}; remove it from "
        "reward_classes, or choose another split."
        for name in task.reward_classes
        if validation.shares[name] == 0
    ]
