"""The description of one candidate."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

Nested = int | str | tuple["Nested", ...]


class GenotypeError(ValueError):
    """A genotype that is not one of its space; the message says which part."""


@dataclass(frozen=True)
class Genotype:
    """A complete, hashable description of one candidate of a search space.

    Args:
        space: Name of the search space that the genotype belongs to.
        value: Nested tuples of integers or strings, in the form that the space documents.
    """

    space: str
    value: Nested

    def to_json(self) -> str:
        """Returns a JSON object that `from_json` reads back."""
        return json.dumps({"space": self.space, "value": self.value})

    @classmethod
    def from_json(cls, text: str) -> Genotype:
        """Reads what `to_json` wrote.

        Raises:
            GenotypeError: If the text is not such an object.
        """
        try:
            record = json.loads(text)
            return cls(record["space"], freeze(record["value"]))
        except (ValueError, KeyError, TypeError) as error:
            raise GenotypeError(f"not a genotype record: {error}") from error

    def __str__(self) -> str:
        """The nested form, for example ``[[0,[1,0,3,5]],[[0,1]]]``."""
        return json.dumps(self.value, separators=(",", ":"))


def freeze(value: Any) -> Nested:
    """Turns nested lists into nested tuples.

    Raises:
        GenotypeError: If a leaf is neither an integer nor a string.
    """
    if isinstance(value, (list, tuple)):
        return tuple(freeze(item) for item in value)
    if isinstance(value, (int, str)) and not isinstance(value, bool):
        return value
    raise GenotypeError(f"a genotype holds integers and strings, not {value!r}")
