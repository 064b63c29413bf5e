"""Errors that a caller can mend; each is one sentence."""

from __future__ import annotations


class LatencyError(ValueError):
    """A cost that cannot be counted or measured as it was asked for."""


class ExportError(LatencyError):
    """A network that cannot be exported, or whose exported graph computes something else."""
