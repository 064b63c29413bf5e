"""The one error of this package that a user can meet."""

from __future__ import annotations


class UnknownNameError(ValueError):
    """A name or an import path that leads to nothing; one sentence that says why."""
