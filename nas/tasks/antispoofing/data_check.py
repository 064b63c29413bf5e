"""Looks through the faces of a task before anything is trained on them."""

from __future__ import annotations

from dataclasses import replace

from nas.tasks.antispoofing.source import UNKNOWN, FaceSource
from nas.tasks.antispoofing.task import AntiSpoofingTask
from nas.tasks.check_report import CheckReport
from nas.tasks.classification.data_check import ClassCounts, check_classification


def check_antispoofing(task: AntiSpoofingTask) -> CheckReport[ClassCounts]:
    """Reads every face of a task.

    Besides the classes, the report counts the attacks of each type, and the faces without each
    modality that is missing anywhere.
    """
    report = check_classification(task)
    types = sorted({attack for source in task.sources.values() for attack in source.attacks})
    splits = {
        split: replace(counts, images=counts.images | _more(task, task.sources[split], types))
        for split, counts in report.splits.items()
    }
    problems = [*report.problems, *_absent(task), *_shared_subjects(task)]
    return CheckReport(report.name, splits, problems)


def _more(task: AntiSpoofingTask, source: FaceSource, types: list[str]) -> dict[str, int]:
    by_type = {f"attack {name}": source.attacks.count(name) for name in types if name != UNKNOWN}
    without = {
        f"without {name}": sum(name in absent for absent in source.absent)
        for name in task.inputs
        if any(name in absent for other in task.sources.values() for absent in other.absent)
    }
    return by_type | without


def _absent(task: AntiSpoofingTask) -> list[str]:
    """Modalities that a split does not have at all."""
    return [
        f"{split}: no face has the modality {name!r}; add its files, or take it out of modalities."
        for split, source in task.sources.items()
        for name in task.inputs
        if all(name in absent for absent in source.absent)
    ]


def _shared_subjects(task: AntiSpoofingTask) -> list[str]:
    first: dict[str, str] = {}
    problems = []
    for split, source in task.sources.items():
        for subject in sorted(set(source.subjects) - {UNKNOWN}):
            other = first.setdefault(subject, split)
            if other != split:
                problems.append(
                    f"subject {subject!r} is in {other} and in {split}; the subjects of the splits "
                    "have to differ."
                )
    return problems
