"""Text from data on a terminal, a picture or a page: shown, never obeyed."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

# Control characters, ends of lines and paragraphs, and bytes of file names that are no text.
_OBEYED = ("Cc", "Zl", "Zp", "Cs")
# These turn the direction of what follows.
_TURNING = frozenset("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def visible(text: object) -> str:
    """A text in which every character that a terminal would obey is written out, but line ends."""
    return "".join(
        one.encode("unicode_escape").decode()
        if one in _TURNING or (one != "\n" and unicodedata.category(one) in _OBEYED)
        else one
        for one in str(text)
    )


def say(text: object, **options: Any) -> None:
    """Prints a line; see `visible`. Options are those of ``print``."""
    print(visible(text), **options)


def plain_console(**options: Any) -> Console:
    """A console that shows names as they are: no markup, no emoji, no control characters.

    Args:
        options: Those of `rich.console.Console`.
    """
    from rich.console import Console

    class PlainConsole(Console):
        def render_str(self, text: str, **options: Any) -> Any:
            return super().render_str(visible(text), **{**options, "markup": False, "emoji": False})

    return PlainConsole(**options)
