"""When a measurement is too noisy to be believed."""

from __future__ import annotations

import statistics
from dataclasses import dataclass

from latency.measuring.order_statistics import quantile, relative_interval
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
