"""Errors that a user can fix."""

from __future__ import annotations


class UserError(Exception):
    """Wrong use: a single sentence that says what is wrong and what to do.

    The command line prints the message and exits with code 2.
    """


def sentence(text: str) -> str:
    """A text with a full stop, unless it has its own end."""
    return text if text.endswith((".", "?")) else f"{text}."
