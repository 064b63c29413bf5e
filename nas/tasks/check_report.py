"""What looking through a task's files brings to light."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

from nas.errors import UserError
from nas.tasks.dataset import ImageSource

SplitT = TypeVar("SplitT")


@dataclass(frozen=True)
class CheckReport(Generic[SplitT]):
    """What a task holds, and a sentence for everything that is wrong or worth knowing.

    Attributes:
        name: The task's name.
        splits: What each split holds.
        problems: What is wrong.
        notes: What is well, but may not be meant.
    """

    name: str
    splits: dict[str, SplitT]
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def raise_if_bad(self) -> None:
        """Refuses data with problems.

        Raises:
            UserError: With the first problem and the number of the others.
        """
        if not self.problems:
            return
        others = len(self.problems) - 1
        more = f" ({others} more; `nas task check` lists them all)" if others else ""
        raise UserError(self.problems[0] + more)


def listing_notes(sources: Iterable[ImageSource]) -> list[str]:
    """What is worth knowing of the listing of the sources, each note once."""
    return list(dict.fromkeys(note for source in sources for note in source.notes))


def treatment_notes(treatments: Mapping[str, Sequence[str]]) -> list[str]:
    """A sentence for each thing that is done with image files besides decoding them.

    Args:
        treatments: Names of the files by what is done with them.
    """
    notes = []
    for clause, names in treatments.items():
        others = f" and {len(names) - 1} more" if len(names) > 1 else ""
        notes.append(f"{names[0]}{others}: {clause}.")
    return notes


class Copies:
    """Finds the same picture under two names."""

    def __init__(self) -> None:
        self._first: dict[str, tuple[str, str, object, Path | None]] = {}

    def problem(
        self,
        split: str,
        name: str,
        content: str,
        target: object = None,
        file: Path | None = None,
    ) -> str | None:
        """What is wrong with a picture, given those before it, or None.

        Args:
            split: Where it is.
            name: Of its file.
            content: Changes with its pixels.
            target: What is to be learned of it, where two may not contradict each other.
            file: Where it is told elsewhere that one file is in two splits.
        """
        found = (split, name, target, file)
        first, first_name, first_target, first_file = self._first.setdefault(content, found)
        if file is not None and file == first_file:
            return None
        if first != split:
            return f"{name}: in {split}, and the same image is in {first} as {first_name}."
        if first_target != target:
            return f"{name}: {target}, and the same image is {first_target} as {first_name}."
        return None


def listing_problems(sources: Iterable[ImageSource]) -> list[str]:
    """What was wrong when the files of the sources were listed, each problem once."""
    return list(dict.fromkeys(problem for source in sources for problem in source.problems))
