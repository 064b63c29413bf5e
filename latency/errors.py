"""Errors that a caller can fix, and warnings; each is one sentence."""

from __future__ import annotations


class LatencyError(ValueError):
    """A cost that cannot be counted or measured as it was asked for."""


class UnavailableError(LatencyError):
    """A device, a library or a provider that is not there, so that something else would run."""


class ExportError(LatencyError):
    """A network that cannot be exported, or whose exported graph computes something else."""


class NoiseWarning(UserWarning):
    """A latency that was measured on a machine which was busy with something else."""


class FallbackWarning(UserWarning):
    """A network that was measured on another device than the one asked for."""
