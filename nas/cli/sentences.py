"""Errors of the package latency in the command line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from nas.errors import UserError


@contextmanager
def latency_sentences() -> Iterator[None]:
    """What the package latency refuses is what a user can mend."""
    from latency.errors import LatencyError

    try:
        yield
    except LatencyError as error:
        raise UserError(str(error)) from error
