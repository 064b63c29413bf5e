"""Deals small data sets so that the classes of their images can be learned and scored."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from nas.errors import UserError
from nas.tasks.task import Task

_MOST = 500
"""Images of a data set that is small; in a larger one, few classes are missing in a split."""
_SEEDS = 30
_SHARE = 0.1
_NAMED = 3

Lacking = tuple[frozenset[str], frozenset[str]]
"""The classes that train or validation lacks, and those that test lacks."""


@dataclass(frozen=True)
class Dealt:
    """What a task.yaml says so that its classes can be learned and scored.

    Attributes:
        values: Its keys `splits` and `reward_classes`, where they are needed.
        advice: A sentence for each.
    """

    values: dict[str, Any] = field(default_factory=dict)
    advice: tuple[str, ...] = ()


def deal(task: Task, load: Callable[[dict[str, Any]], Task], is_drawn: bool) -> Dealt:
    """Chooses which images are held out, and which classes count where that is not enough.

    A search needs each class that counts in train and in validation, and a tenth of few images
    easily has none of a rare one.

    Args:
        task: As it is without these keys.
        load: Loads it with other values of `splits`.
        is_drawn: Whether validation and test are drawn from train.
    """
    if sum(len(source.names) for source in task.sources.values()) > _MOST:
        return Dealt()
    try:
        present = _classes(task)
    except UserError:
        # What cannot be read is told by the check of the task.
        return Dealt()
    if present is None:
        return Dealt()
    seed, lacking = 0, _lacking(task, present)
    for other in range(1, _SEEDS) if is_drawn else ():
        if not any(lacking):
            break
        found = _lacking(load(_splits(other)), present)
        if list(map(len, found)) < list(map(len, lacking)):
            seed, lacking = other, found
    missing = lacking[0]
    values: dict[str, Any] = {}
    advice: list[str] = []
    if seed:
        values["splits"] = _splits(seed)
        advice.append("They are drawn so that as many classes as possible occur in each split.")
    if missing:
        values["reward_classes"] = [name for name in task.classes if name not in missing]
        advice.append(
            f"{_called(missing)} in train and validation both, and left out of reward_classes: a "
            "search does not aim at what it cannot learn and score."
        )
    return Dealt(values, tuple(advice))


def _splits(seed: int) -> dict[str, Any]:
    return {split: {"held_out": _SHARE, "seed": seed} for split in ("validation", "test")}


def _classes(task: Task) -> dict[tuple[str, str], frozenset[str]] | None:
    """The classes of each image, by the images' split and name; None where each is of one class.

    Raises:
        UserError: If a target cannot be read.
    """
    found = {}
    for split, source in task.sources.items():
        shown = task.classes_shown(split)
        if shown is None:
            return None
        for name, classes in zip(source.names, shown, strict=True):
            found[split, name] = classes
    return found


def _lacking(task: Task, present: Mapping[tuple[str, str], frozenset[str]]) -> Lacking:
    everywhere = {name: classes for (_, name), classes in present.items()}

    def missing(split: str) -> frozenset[str]:
        names = task.sources[split].names
        # Images of one name in two splits are told apart where these splits are given.
        seen = (present.get((split, name), everywhere[name]) for name in names)
        return frozenset(task.classes) - _union(seen)

    return missing("train") | missing("validation"), missing("test")


def _union(sets: Iterable[frozenset[str]]) -> frozenset[str]:
    return frozenset().union(*sets)


def _called(names: frozenset[str]) -> str:
    if len(names) == 1:
        return f"The class {next(iter(names))} does not occur"
    if len(names) <= _NAMED:
        return f"The classes {', '.join(sorted(names))} do not occur"
    return f"{len(names)} classes do not occur"
