"""One categorical choice of a search space."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Decision:
    """A named categorical choice.

    Args:
        name: Name of the parameter, unique within its space.
        options: What can be chosen, in a fixed order.

    Raises:
        ValueError: If there is no option, or one occurs twice.
    """

    name: str
    options: tuple[int | str, ...]

    def __post_init__(self) -> None:
        if not self.options:
            raise ValueError(f"decision {self.name!r} has no options")
        if len(set(self.options)) != len(self.options):
            raise ValueError(f"decision {self.name!r} lists an option twice: {self.options}")
