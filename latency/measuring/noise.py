"""How well a median is known, and when a measurement is too noisy to be believed."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from latency.measuring.sampling import Samples

QUIET = 0.1
"""Share of the reference's runs that are taken as undisturbed."""
INTERVAL_LIMIT = 0.03
DRIFT_LIMIT = 0.05
UNREST_LIMIT = 0.1


@dataclass(frozen=True)
class Noise:
    """What disturbed a measurement; each is a share.

    Attributes:
        interval: Half the width of the confidence interval of the candidate's median, of that
            median.
        drift: By how much the reference's median of the second half is above that of the first.
        unrest: By how much the reference's median is above its quiet time: its lower decile, or
            what is known from elsewhere if that is less.
    """

    interval: float
    drift: float
    unrest: float

    @property
    def level(self) -> float:
        """The largest of the three in units of what is tolerated: noisy above 1."""
        return max(
            self.interval / INTERVAL_LIMIT,
            abs(self.drift) / DRIFT_LIMIT,
            self.unrest / UNREST_LIMIT,
        )

    def __str__(self) -> str:
        return (
            f"the median is known to ±{self.interval:.1%}, the reference network drifted by "
            f"{self.drift:+.1%} and ran {self.unrest:.1%} above its quiet level"
        )


def is_sure(interval: float) -> bool:
    """Whether a confidence interval is narrow enough.

    Args:
        interval: Half its width, as a share of its middle.
    """
    return interval <= INTERVAL_LIMIT


def noise_of(samples: Samples, reference_ms: float | None = None) -> Noise:
    """How noisy the timed runs are.

    Args:
        samples: The timed runs.
        reference_ms: The quiet time of the reference network where it is known from elsewhere; it
            shows a neighbour that was busy all the time.
    """
    candidate = [timing.ms for timing in samples.candidate]
    reference = [timing.ms for timing in samples.reference]
    half = len(reference) // 2
    quiet = quantile(reference, QUIET)
    if reference_ms is not None:
        quiet = min(quiet, reference_ms)
    early, late = statistics.median(reference[:half]), statistics.median(reference[half:])
    return Noise(
        interval=relative_interval(candidate),
        drift=late / early - 1,
        unrest=statistics.median(reference) / quiet - 1,
    )


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which this share of the sample lies, between neighbours if need be."""
    return float(np.quantile(values, share))


def median_interval(values: Sequence[float], confidence: float = 0.95) -> tuple[float, float]:
    """A confidence interval of the median, from order statistics.

    The number of values below the true median follows a binomial distribution with p = 1/2,
    whatever the values follow (Conover, Practical Nonparametric Statistics, 3rd edition, 1999,
    section 3.2). The interval is the narrowest pair of symmetric ranks that has the confidence.

    Args:
        values: Independent values, at least six for a confidence of 95 %.
        confidence: Between 0 and 1.

    Returns:
        The lower and the upper end; the extremes where there are too few values.
    """
    ordered = sorted(values)
    count = len(ordered)
    outside, rank = 0.0, 0
    while rank < (count - 1) // 2:
        outside += 2 * math.comb(count, rank) / 2**count
        if outside > 1 - confidence:
            break
        rank += 1
    below = max(rank - 1, 0)
    return ordered[below], ordered[count - 1 - below]


def relative_interval(values: Sequence[float]) -> float:
    """Half the width of the 95 % confidence interval of the median, as a share of the median."""
    low, high = median_interval(values)
    return (high - low) / 2 / statistics.median(values)
