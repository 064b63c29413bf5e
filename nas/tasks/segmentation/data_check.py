"""Looks through the files of a segmentation task before anything is trained on them."""

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
from nas.tasks.segmentation.source import MaskInspection, SegmentationSource
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
    problems, look = listing_problems(task.sources.values()), _Look()
    for split, source in task.sources.items():
        reports[split] = look.through(split, source, task.classes)
        if not reports[split].count:
            problems.append(f"{split}: the split has no labelled image.")
    problems += look.problems
    for split in ("train", "validation"):
        for name in _missing(reports[split]):
            told = f"{split}: no mask has a pixel of the "
            if name in task.reward_classes:
                problems.append(
                    f"{told}reward class {name!r}; write reward_classes without it, or draw other "
                    "splits, such as splits: {validation: {held_out: 0.2, seed: 1}}."
                )
            elif split == "train":
                look.notes.append(f"{told}class {name!r}, so that no network can learn it.")
    notes = [*listing_notes(task.sources.values()), *look.notes, *treatment_notes(look.treatments)]
    return CheckReport(task.name, reports, problems, [*notes, *_ignored(task, reports)])


class _Look:
    """What is found while images and masks are looked through."""

    def __init__(self) -> None:
        self.problems: list[str] = []
        self.notes: list[str] = []
        self.treatments: defaultdict[str, list[str]] = defaultdict(list)
        self._copies = Copies()
        self._masks: dict[str, tuple[str, str | None]] = {}
        self._colours: dict[int, tuple[str, tuple[int, ...]]] = {}
        self._palettes_differ = False

    def through(
        self, split: str, source: SegmentationSource, classes: tuple[str, ...]
    ) -> ClassShares:
        """Looks through a split."""
        sizes: Counter[tuple[int, int]] = Counter()
        counts = np.zeros(len(classes) + 1, np.int64)
        for name, inspection in zip(source.names, source.inspect(), strict=True):
            if inspection.size is not None:
                sizes[inspection.size] += 1
            counts += inspection.counts
            self.problems += inspection.problems
            for clause in inspection.treatment:
                self.treatments[clause].append(name)
            self._compare(split, name, inspection)
        shares = (counts / max(counts.sum(), 1)).tolist()
        named = dict(zip(classes, shares[:-1], strict=True))
        return ClassShares(len(source.names), dict(sizes.most_common()), named, shares[-1])

    def _compare(self, split: str, name: str, inspection: MaskInspection) -> None:
        if inspection.content is not None:
            problem = self._copies.problem(split, name, inspection.content, file=inspection.file)
            self.problems += [problem] if problem else []
            first, mask = self._masks.setdefault(inspection.content, (name, inspection.mask))
            if mask != inspection.mask and problem is None:
                self.notes.append(f"{name}: the same image as {first}, with another mask.")
        for value, colour in inspection.palette.items():
            first, known = self._colours.setdefault(value, (name, colour))
            if known != colour and not self._palettes_differ:
                self._palettes_differ = True
                self.notes.append(
                    f"the palettes of the masks differ: the value {value} is {_hex(known)} in "
                    f"{first} and {_hex(colour)} in {name}; values tell the classes, not colours, "
                    "so check that they mean the same."
                )


def _missing(report: ClassShares) -> list[str]:
    # Where no mask could be read, that is the problem, and is told.
    read = any(report.shares.values()) or report.ignored
    return [name for name, share in report.shares.items() if share == 0] if read else []


def _ignored(task: SegmentationTask, reports: dict[str, ClassShares]) -> list[str]:
    """A note about pixels that are ignored though nobody said so."""
    value = next((source.unsaid_ignored for source in task.sources.values()), None)
    counts = sum(report.count for report in reports.values())
    share = sum(report.ignored * report.count for report in reports.values()) / max(counts, 1)
    if value is None or not share:
        return []
    return [
        f"{share:.2%} of the pixels are {value}, which is ignored; if that is a class, write the "
        f"classes with their values, for example {{0: background, {value}: object}}, and if not, "
        f"ignore_index: {value}."
    ]


def _hex(colour: tuple[int, ...]) -> str:
    return "#" + "".join(f"{part:02x}" for part in colour)
