"""What the plays of a contender come to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nas.benchmarking.contest import Contender
from nas.benchmarking.play import Play
from nas.evaluation.table import Column, Table
from nas.pareto.front import front
from nas.pareto.hypervolume import hypervolume, hypervolume_over_time, reference_point
from nas.pareto.objectives import Direction


@dataclass(frozen=True)
class Spread:
    """Mean and standard deviation over the repetitions (of a sample; 0 for a single one)."""

    mean: float
    std: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Mean and standard deviation of some values."""
        deviation = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
        return cls(float(np.mean(values)), deviation)


@dataclass(frozen=True)
class Repetition:
    """One repetition.

    Attributes:
        seed: Its seed.
        validation: Best validation accuracy seen, in percent.
        test: Test accuracy of that candidate, in percent; None if the table has none.
        virtual_hours: What the evaluations would have taken.
        repeats: Share of evaluations that repeat an earlier network, 0 to 1.
        milliseconds: Processor time per evaluation of study, controller and records.
        shares: Share of the true front's hypervolume by number of evaluations.
    """

    seed: int
    validation: float
    test: float | None
    virtual_hours: float
    repeats: float
    milliseconds: float
    shares: Mapping[int, float]


@dataclass(frozen=True)
class Curves:
    """Means over the repetitions after each of N evaluations.

    Attributes:
        validation: Best validation accuracy so far, in percent.
        test: Test accuracy of that candidate, in percent; None if the table has none.
        share: Share of the true front's hypervolume; None where no cost is penalised.
    """

    validation: NDArray[np.float64]
    test: NDArray[np.float64] | None
    share: NDArray[np.float64] | None


@dataclass(frozen=True)
class Summary:
    """A contender's plays.

    Attributes:
        contender: Who played.
        repetitions: One for each seed.
        curves: Their means, evaluation by evaluation.
    """

    contender: Contender
    repetitions: tuple[Repetition, ...]
    curves: Curves

    def spread(self, figure: str) -> Spread:
        """Mean and deviation of a figure of `Repetition`."""
        return Spread.of([getattr(repetition, figure) for repetition in self.repetitions])

    def share(self, evaluations: int) -> Spread:
        """The share of the true front's hypervolume after a number of evaluations."""
        return Spread.of([repetition.shares[evaluations] for repetition in self.repetitions])


def summarise(
    contender: Contender,
    seeds: Sequence[int],
    plays: Sequence[Play],
    table: Table,
    at: Sequence[int],
) -> Summary:
    """Looks the plays of a contender up in the table.

    The best candidate is that of the highest validation accuracy after the most epochs that the
    table has, the first of several; its test accuracy is that after the most epochs, too.

    The hypervolume is that of validation accuracy and the penalised costs. Its reference point is
    the worst value of each in the whole table and 1 % of the range beyond; the true front is that
    of the whole table.

    Args:
        contender: Who played.
        seeds: Of the plays.
        plays: As many, of N evaluations each.
        table: Where they played.
        at: Numbers of evaluations, 1 to N, after which the hypervolume is told.
    """
    scores = table.scores(contender.dataset)
    validation = scores.validation[scores.epochs]
    test = scores.test[max(scores.test)] if scores.test else None
    volumes = _Volumes.of(contender, table)
    best = np.array([_best_rows(validation, play.rows) for play in plays])
    shares = np.array([volumes.shares(play.rows) for play in plays]) if volumes else None
    repetitions = tuple(
        Repetition(
            seed=seed,
            validation=float(validation[best[index, -1]]),
            test=None if test is None else float(test[best[index, -1]]),
            virtual_hours=play.virtual_seconds / 3600,
            repeats=float(play.repeats.mean()),
            milliseconds=1e3 * play.cpu_seconds / len(play.rows),
            shares={} if shares is None else {n: float(shares[index, n - 1]) for n in at},
        )
        for index, (seed, play) in enumerate(zip(seeds, plays, strict=True))
    )
    curves = Curves(
        validation[best].mean(axis=0),
        None if test is None else test[best].mean(axis=0),
        None if shares is None else shares.mean(axis=0),
    )
    return Summary(contender, repetitions, curves)


@dataclass(frozen=True)
class _Volumes:
    """Hypervolumes as shares of that of the whole table."""

    points: NDArray[np.float64]
    directions: Sequence[Direction]
    reference: NDArray[np.float64]
    whole: float

    @classmethod
    def of(cls, contender: Contender, table: Table) -> _Volumes | None:
        costs = contender.configs[0].objectives[1:]
        if not costs:
            return None
        scores = table.scores(contender.dataset)
        columns = [scores.validation[scores.epochs] / 100, *(table.costs[name] for name in costs)]
        points = np.stack(columns, axis=1)
        directions: list[Direction] = ["maximise"]
        directions += ["minimise"] * len(costs)
        reference = reference_point(points, directions)
        best = points[front(points, directions)]
        return cls(points, directions, reference, hypervolume(best, directions, reference))

    def shares(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """After each evaluation."""
        volumes = hypervolume_over_time(self.points[rows], self.directions, self.reference)
        return volumes / self.whole


def _best_rows(validation: Column, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """The row of the best candidate so far, after each evaluation."""
    seen = validation[rows]
    # Where an evaluation is better than all before it, it is the best until the next such.
    better = np.concatenate([[True], seen[1:] > np.maximum.accumulate(seen)[:-1]])
    return rows[np.maximum.accumulate(np.where(better, np.arange(len(rows)), 0))]
