"""The scales on which objectives are modelled and compared."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_STEEPEST = 20.0
"""Largest exponent when a tail is restored: what is further down is as bad as can be."""

_BEYOND_SEEN = 0.5
"""How far the reference of costs lies beyond the costliest seen, as a share of the range seen."""


@dataclass(frozen=True)
class LowerTail:
    """A scale on which values far below the median are closer to it.

    How bad the worst candidates are says little about the good ones, but a model of the plain
    values would spend itself on it. Values above the median stay as they are, those below get
    closer logarithmically, and none changes its place.

    Args:
        median: From here on up, values stay.
        width: Distance below the median from which on values are moved noticeably, positive.
    """

    median: float
    width: float

    @classmethod
    def of(cls, values: Array) -> LowerTail:
        """The scale that fits some values: their median, and how far the lower quartile is."""
        quartile, median = np.quantile(values, (0.25, 0.5)).tolist()
        return cls(median, (median - quartile) or float(values.std()) or 1.0)

    def shorten(self, values: Array) -> Array:
        """Values on this scale."""
        below = np.maximum(self.median - values, 0)
        return values + below - self.width * np.log1p(below / self.width)

    def restore(self, values: Array) -> Array:
        """The inverse of `shorten`."""
        below = np.maximum(self.median - values, 0)
        return values + below - self.width * np.expm1(np.minimum(below / self.width, _STEEPEST))


class Scales:
    """Leads from gains as they are to gains as a model or a preference takes them, and back.

    All arrays have the shape (..., objectives): the quality, then the costs with their sign
    changed. Models take the quality with a shortened tail and the costs as they are, because
    costs are often sums. Preferences take what is gained over a reference, as a share of what the
    best gains. The reference is the worst quality seen, and a cost beyond the costliest seen:
    otherwise what costs more than the first few trials would gain nothing, however good it is,
    and never be tried.

    Args:
        gains: What is known, of shape (trials, objectives).
    """

    def __init__(self, gains: Array) -> None:
        self._tail = LowerTail.of(gains[:, 0])
        best, worst = gains.max(axis=0), gains.min(axis=0)
        self._reference = worst.copy()
        self._reference[1:] -= _BEYOND_SEEN * (best - worst)[1:]
        extent = best - self._reference
        self._extent = np.where(extent > 0, extent, 1.0)

    def relative(self, gains: Array) -> Array:
        """Gains as a preference takes them."""
        return (gains - self._reference) / self._extent

    def modelled(self, gains: Array) -> Array:
        """Gains as a model takes them."""
        return np.concatenate([self._tail.shorten(gains[..., :1]), gains[..., 1:]], axis=-1)

    def relative_of_modelled(self, modelled: Array) -> Array:
        """What a model gives, as a preference takes it."""
        quality = self._tail.restore(modelled[..., :1])
        return self.relative(np.concatenate([quality, modelled[..., 1:]], axis=-1))

    def modelled_of_relative(self, relative: Array) -> Array:
        """The inverse of `relative_of_modelled`."""
        return self.modelled(relative * self._extent + self._reference)
