"""Looks through the files of a classification task before anything is trained on them."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass

import numpy as np

from nas.tasks.check_report import (
    CheckReport,
    Copies,
    listing_notes,
    listing_problems,
    treatment_notes,
)
from nas.tasks.classification.task import ClassificationTask


@dataclass(frozen=True)
class ClassCounts:
    """What a split holds.

    Attributes:
        count: Number of images.
        sizes: Number of images of each height and width, as stored.
        images: Number of images of each class.
    """

    count: int
    sizes: dict[tuple[int, int], int]
    images: dict[str, int]


def check_classification(task: ClassificationTask) -> CheckReport[ClassCounts]:
    """Reads every image of a task."""
    reports: dict[str, ClassCounts] = {}
    problems = listing_problems(task.sources.values())
    copies, treatments = Copies(), defaultdict[str, list[str]](list)
    for split, source in task.sources.items():
        sizes: Counter[tuple[int, int]] = Counter()
        labelled = zip(source.names, source.labels.tolist(), source.inspect(), strict=True)
        for name, label, inspection in labelled:
            problems += inspection.problems
            if inspection.size is not None:
                sizes[inspection.size] += 1
            if inspection.content is not None:
                of_class = f"of the class {task.classes[label]!r}"
                problem = copies.problem(split, name, inspection.content, of_class)
                problems += [problem] if problem else []
            for clause in inspection.treatment:
                treatments[clause].append(name)
        counts = np.bincount(source.labels, minlength=task.num_classes).tolist()
        by_class = dict(zip(task.classes, counts, strict=True))
        reports[split] = ClassCounts(len(source.names), dict(sizes.most_common()), by_class)
    notes = [*listing_notes(task.sources.values()), *treatment_notes(treatments)]
    return CheckReport(task.name, reports, problems + _missing(reports), notes)


def _missing(reports: dict[str, ClassCounts]) -> list[str]:
    empty = [split for split, report in reports.items() if not report.count]
    problems = [f"{split}: the split has no image." for split in empty]
    for split in ("train", "validation"):
        if split in empty:
            continue
        problems += [
            f"{split}: no image of the class {name!r}; add some, or take the class away."
            for name, count in reports[split].images.items()
            if not count
        ]
    return problems
