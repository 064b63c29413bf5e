"""The one error of this package."""

from __future__ import annotations


class RewardError(ValueError):
    """A wrong setting or a figure that cannot be scored, in one clear sentence."""
