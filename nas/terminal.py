"""Text from data on a terminal, a picture or a page: shown, never obeyed."""

from __future__ import annotations

import os
import sys
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


class ClosedOutputError(Exception):
    """Whoever read the output, `head` for instance, has closed it."""

    def __init__(self) -> None:
        super().__init__("the output was closed")
        # What is still in the buffer has nowhere to go, and Python would complain at its end.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.__stdout__.fileno() if sys.__stdout__ else 1)
        os.close(nowhere)


def say(text: object, **options: Any) -> None:
    """Prints a line; see `visible`. Options are those of ``print``.

    Raises:
        ClosedOutputError: If nobody reads it any more.
    """
    try:
        print(visible(text), **options)
    except BrokenPipeError:
        raise ClosedOutputError from None


def plain_console(**options: Any) -> Console:
    """A console that shows names as they are: no markup, no emoji, no control characters.

    Args:
        options: Those of `rich.console.Console`.
    """
    from rich.console import Console

    class PlainConsole(Console):
        def render_str(self, text: str, **options: Any) -> Any:
            return super().render_str(visible(text), **{**options, "markup": False, "emoji": False})

        def on_broken_pipe(self) -> None:
            # Where it is reached, rich ends the process with code 1 and without a word.
            self.quiet = True
            raise ClosedOutputError

    return PlainConsole(**options)
