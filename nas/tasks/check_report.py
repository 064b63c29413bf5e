"""What looking through a task's files brings to light."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from nas.errors import UserError
from nas.tasks.dataset import ImageSource

SplitT = TypeVar("SplitT")


@dataclass(frozen=True)
class CheckReport(Generic[SplitT]):
    """What a task holds, and a sentence for everything that is wrong with it."""

    name: str
    splits: dict[str, SplitT]
    problems: list[str] = field(default_factory=list)

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


def listing_problems(sources: Iterable[ImageSource]) -> list[str]:
    """What was wrong when the files of the sources were listed, each problem once."""
    return list(dict.fromkeys(problem for source in sources for problem in source.problems))
