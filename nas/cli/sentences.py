"""Errors of the package latency in the command line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from nas.errors import UserError


@contextmanager
def latency_sentences() -> Iterator[None]:
    """Turns errors of the latency package into user errors."""
    from latency.errors import LatencyError

    try:
        yield
    except LatencyError as error:
        raise UserError(str(error)) from error
