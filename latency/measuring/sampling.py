"""Runs of a network, taking turns with those of a reference network."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable
from dataclasses import dataclass

from latency.engines.clocks import Timing

TimedRun = Callable[[], Timing]
"""Runs a network once and tells how long that took."""

WINDOW = 5
"""Runs whose median tells whether the times still fall."""
STABLE = 0.98
"""Share of the median of the window before, above which they do not."""
LONGEST_WARM_UP = 100
"""Runs after which a network counts as warm in any case."""
SHORTEST_SAMPLE_MS = 1.0
"""Shorter runs are timed several in a row, or the clock and the caches would tell."""


@dataclass(frozen=True)
class Samples:
    """Timed runs of two networks that took turns.

    Attributes:
        candidate: Of the network that is measured.
        reference: Of the reference, each just before the candidate's run of the same position.
        after: Of the reference, each just after it.
    """

    candidate: tuple[Timing, ...]
    reference: tuple[Timing, ...]
    after: tuple[Timing, ...]

    def __len__(self) -> int:
        return len(self.candidate)

    def last(self, runs: int) -> Samples:
        """The most recent runs."""
        return Samples(self.candidate[-runs:], self.reference[-runs:], self.after[-runs:])

    def joined(self, later: Samples) -> Samples:
        """These runs and those that followed at once."""
        return Samples(
            self.candidate + later.candidate,
            self.reference + later.reference,
            self.after + later.after,
        )

    def ratios(self) -> list[float]:
        """Every run of the candidate over the mean of the reference's runs around it.

        What slows the machine down for longer than a few runs slows all three.
        """
        around = zip(self.candidate, self.reference, self.after, strict=True)
        return [2 * run.ms / (before.ms + after.ms) for run, before, after in around]


def warm_up(candidate: TimedRun, reference: TimedRun, fewest: int) -> list[float]:
    """Runs both until the candidate's times no longer fall.

    They no longer fall once the median of five runs is at least 98 % of that of the five before.

    Args:
        candidate: The network that is measured.
        reference: The reference network.
        fewest: Runs that are made in any case.

    Returns:
        The times of the candidate's runs in milliseconds: at least ten, and never more than 100
        unless `fewest` asks for them.
    """
    times: list[float] = []
    while len(times) < max(fewest, LONGEST_WARM_UP):
        reference()
        times.append(candidate().ms)
        if len(times) >= max(fewest, 2 * WINDOW) and not _falls(times):
            break
    return times


def sample(candidate: TimedRun, reference: TimedRun, runs: int) -> Samples:
    """Times runs of the candidate alternating with the reference, which comes first and last."""
    turns = [reference()]
    for _ in range(runs):
        turns += [candidate(), reference()]
    return Samples(tuple(turns[1::2]), tuple(turns[:-1:2]), tuple(turns[2::2]))


def quietest(samples: Samples, runs: int) -> Samples:
    """The runs of the candidate in the quietest moments, in the order in which they were made.

    How quiet a moment was, the slower of the reference's runs before and after it tells. The
    candidate's own time has no say; otherwise selection would favour lucky runs.

    Args:
        samples: The runs to choose from.
        runs: How many are chosen, no more than there are.
    """
    pairs = zip(samples.reference, samples.after, strict=True)
    around = [max(before.ms, after.ms) for before, after in pairs]
    chosen = sorted(sorted(range(len(around)), key=lambda place: around[place])[:runs])
    return Samples(
        candidate=tuple(samples.candidate[place] for place in chosen),
        reference=tuple(samples.reference[place] for place in chosen),
        after=tuple(samples.after[place] for place in chosen),
    )


def repeats_for(times: list[float]) -> int:
    """How many runs make one sample of at least a millisecond.

    Args:
        times: Of the last runs of the warm-up, in milliseconds.
    """
    return max(1, math.ceil(SHORTEST_SAMPLE_MS / statistics.median(times[-WINDOW:])))


def _falls(times: list[float]) -> bool:
    last, before = times[-WINDOW:], times[-2 * WINDOW : -WINDOW]
    return statistics.median(last) < STABLE * statistics.median(before)
