"""Deals images to splits, class by class."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

import numpy as np

from nas.errors import UserError
from nas.tasks.classification.settings import DrawSettings
from nas.tasks.classification.source import ClassificationSource
from nas.tasks.task import SPLITS


def deal(
    given: Mapping[str, ClassificationSource], settings: DrawSettings, where: str
) -> dict[str, ClassificationSource]:
    """The images of every split.

    What the data have no split for is held out of train first; then as many images as asked for
    are drawn from each. So no number of images moves an image to another split.

    Args:
        given: The splits that the data have, "train" among them.
        settings: Shares, numbers and seed.
        where: Where the settings come from, for messages.

    Raises:
        UserError: If a share is given for a split that the data have, or there are too few
            images.
    """
    missing = [split for split in SPLITS if split not in given]
    for split in ("validation", "test"):
        if split in given and getattr(settings, f"{split}_share") is not None:
            raise UserError(
                f"{where}: the data have their own split for {split}; remove {split}_share."
            )
    shares = {split: settings.share(split) for split in missing}
    train = given["train"]
    held_out = hold_out(train.labels, shares, settings.seed)
    sources = {**given, **{split: train.select(rows) for split, rows in held_out.items()}}
    return {split: _limited(sources[split], split, settings, where) for split in SPLITS}


def _limited(
    source: ClassificationSource, split: str, settings: DrawSettings, where: str
) -> ClassificationSource:
    count = settings.count(split)
    if count is None:
        return source
    if count > len(source.labels):
        raise UserError(
            f"{where}: {split}: {count} images are asked for, but the split has "
            f"{len(source.labels)}."
        )
    classes = len(np.unique(source.labels))
    if count < classes:
        raise UserError(
            f"{where}: {split}: {count} images cannot show all {classes} classes; ask for more."
        )
    return source.select(draw(source.labels, count, settings.seed))


def hold_out(
    labels: np.ndarray, shares: Mapping[str, float | int], seed: int
) -> dict[str, np.ndarray]:
    """Takes a share of every class out for each split, and leaves the rest to train.

    Of a class each split gets at least one image, as long as one is left to train.

    Args:
        labels: Class of each image, N.
        shares: Share of the N images, or their number, for each split that is held out.
        seed: Decides which.

    Returns:
        Positions of the images of each split and of "train", ascending.

    Raises:
        UserError: If there are not so many images.
    """
    left = list(_shuffled(labels, f"hold-out-{seed}").values())
    sizes = [len(rows) for rows in left]
    chosen: dict[str, list[int]] = {}
    for split, share in shares.items():
        numbers = _numbers_held_out(split, share, sizes, [len(rows) for rows in left])
        parts = list(zip(left, numbers, strict=True))
        chosen[split] = [row for rows, number in parts for row in rows[:number]]
        left = [rows[number:] for rows, number in parts]
    chosen["train"] = [row for rows in left for row in rows]
    return {split: np.sort(np.array(rows, np.int64)) for split, rows in chosen.items()}


def _numbers_held_out(
    split: str, share: float | int, sizes: Sequence[int], left: Sequence[int]
) -> list[int]:
    """How many images of each class go to a split."""
    if share < 1:
        return [
            min(max(round(share * size), 1), rest - 1)
            for size, rest in zip(sizes, left, strict=True)
        ]
    free = np.array(left) - 1
    giving = free > 0
    if not giving.sum() <= share <= free.sum():
        raise UserError(
            f"{split}_share: {share} images are to be held out; {giving.sum()} to {free.sum()} can "
            "be, at least one of each class and all but one."
        )
    free[giving] = _apportioned(free[giving], int(share))
    return [int(number) for number in free]


def draw(labels: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Draws images with the classes in proportion, and at least one of each class.

    Args:
        labels: Class of each image, N.
        count: Number of images to draw: from the number of classes that occur up to N.
        seed: Decides which.

    Returns:
        Their positions, ascending.
    """
    by_class = _shuffled(labels, f"draw-{seed}")
    available = np.array([len(rows) for rows in by_class.values()])
    numbers = _apportioned(available, count)
    rows = [
        row
        for rows, number in zip(by_class.values(), numbers, strict=True)
        for row in rows[:number]
    ]
    return np.sort(np.array(rows, np.int64))


def _apportioned(available: np.ndarray, count: int) -> np.ndarray:
    wanted = available * count / available.sum()
    numbers = np.maximum(wanted.astype(np.int64), 1)
    while numbers.sum() < count:
        numbers[np.argmax(np.where(numbers < available, wanted - numbers, -np.inf))] += 1
    while numbers.sum() > count:
        numbers[np.argmax(np.where(numbers > 1, numbers - wanted, -np.inf))] -= 1
    return numbers


def _shuffled(labels: np.ndarray, seed: str) -> dict[int, list[int]]:
    """Positions of the images of each class that occurs, in random order."""
    order = np.argsort(labels, kind="stable")
    found, starts = np.unique(labels[order], return_index=True)
    shuffled = {}
    for label, rows in zip(found.tolist(), np.split(order, starts)[1:], strict=True):
        shuffled[label] = rows.tolist()
        # A generator of its own for each class: adding a class leaves the others as they are.
        random.Random(f"{seed}-{label}").shuffle(shuffled[label])
    return shuffled
