"""A Gaussian process over candidates, for figures of which few are known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve, cholesky, solve_triangular

from nas.controllers.traits import Matrix, Traits

F = TypeVar("F", np.float32, np.float64)

Values = NDArray[np.float64]
"""Figures of shape (candidates,)."""

_JITTER = 1e-4
# Logarithms of the two rates, the three shares before they are made to sum to 1, and the noise:
# where the search for a kernel starts, the standard deviation of the normal prior around it, and
# the first steps.
_START = np.log([1.0, 1.0, 1.0, 1.0, 1.0, 0.01])
_SPREAD = np.array([1.0, 1.0, 2.0, 2.0, 2.0, 2.0])
_STEPS = np.array([0.7, 0.7, 1.0, 1.0, 1.0, 1.0])
_ROUNDS = 3


@dataclass(frozen=True)
class Likeness:
    """How alike the candidates of two sets are, whatever the figure.

    Attributes:
        decisions: Squared distances of the decisions, of shape (candidates, candidates).
        network: The same of the networks.
        totals: Inner products of the totals.
    """

    decisions: Matrix
    network: Matrix
    totals: Matrix

    @classmethod
    def of(cls, one: Traits, other: Traits) -> Likeness:
        """The kernel between every candidate of one set and every one of the other."""
        return cls(
            _squared_distances(one.decisions, other.decisions),
            _squared_distances(one.network, other.network),
            one.totals @ other.totals.T,
        )

    def among(self, rows: NDArray[np.int64]) -> Likeness:
        """The kernel matrix of one set of candidates."""
        where = np.ix_(rows, rows)
        return Likeness(self.decisions[where], self.network[where], self.totals[where])


@dataclass(frozen=True)
class Kernel:
    """The covariance of a figure of two candidates, as a sum of three parts.

    Two parts fall off exponentially with the distance of decisions and of networks. The third is
    linear in the totals: it lets a cost that is a sum over operations be known, far from what
    was seen, from very few trials.

    Args:
        rates: How fast the first two parts fall off.
        shares: Weights of the three parts; they sum to 1.
        noise: Variance of the noise, where the figure has variance 1.
    """

    rates: tuple[float, float]
    shares: tuple[float, float, float]
    noise: float

    def __call__(self, likeness: Likeness) -> Matrix:
        """Covariances of shape (candidates, candidates), without noise."""
        # In place and in single precision: for many candidates this is most of the time.
        covariance = np.exp(likeness.decisions * np.float32(-self.rates[0]))
        covariance *= np.float32(self.shares[0])
        network = np.exp(likeness.network * np.float32(-self.rates[1]))
        network *= np.float32(self.shares[1])
        covariance += network
        covariance += likeness.totals * np.float32(self.shares[2])
        return covariance

    def variances(self, traits: Traits) -> Matrix:
        """Prior variances of shape (candidates,), without noise."""
        lengths: Matrix = (traits.totals**2).sum(axis=1)
        return np.float32(self.shares[0] + self.shares[1]) + lengths * np.float32(self.shares[2])


def fitted_kernel(likeness: Likeness, values: Values) -> Kernel:
    """The kernel that explains figures best, under a prior (maximum a posteriori).

    The scale of the figures is profiled out (Rasmussen and Williams 2006, chapter 5,
    https://gaussianprocess.org/gpml). One coordinate after another is stepped up and down; time
    is cubic in the number of candidates.

    Args:
        likeness: Of N candidates to themselves.
        values: Their figures, of shape (N,).
    """
    scaled = (values - values.mean()) / (float(values.std()) or 1.0)
    point, best = _START, _log_posterior(_START, likeness, scaled)
    for reach in 0.6 ** np.arange(_ROUNDS):
        for axis, step in enumerate(_STEPS * reach):
            for signed in (step, -step):
                moved = point.copy()
                moved[axis] += signed
                value = _log_posterior(moved, likeness, scaled)
                if value > best:
                    point, best = moved, value
                    break
    return _kernel(point)


class Process:
    """What is known of a figure of all candidates, given that of some.

    Args:
        kernel: The covariance of the figure.
        known: Likeness of the N candidates whose figure is known to themselves.
    """

    def __init__(self, kernel: Kernel, known: Likeness) -> None:
        self._kernel = kernel
        self._factor = _factor(kernel, known)
        self._spread: Matrix = np.empty((len(self._factor), 0), dtype=np.float32)
        self._variances: Matrix = np.empty(0, dtype=np.float32)

    def means(self, values: Values, across: Likeness) -> Values:
        """Expected figures of any candidates.

        Args:
            values: The N known figures.
            across: Likeness of the N candidates to those asked about.

        Returns:
            Shape (candidates,), in the units of the figures.
        """
        mean, scale = float(values.mean()), float(values.std()) or 1.0
        weights = cho_solve((self._factor, True), (values - mean) / scale)
        centre = weights.astype(np.float32) @ self._kernel(across)
        return mean + scale * centre.astype(np.float64)

    def watch(self, candidates: Traits, across: Likeness) -> None:
        """Chooses the candidates that `predict` is about.

        Args:
            candidates: These candidates.
            across: Likeness of the N known candidates to them.
        """
        factor = self._factor.astype(np.float32)
        self._spread = _solved(factor, self._kernel(across))
        self._variances = self._kernel.variances(candidates) - (self._spread**2).sum(axis=0)

    def add(self, candidate: Traits, beside: Likeness, across: Likeness) -> None:
        """Takes one more candidate as known; time is linear in N times those watched.

        Args:
            candidate: This candidate.
            beside: Likeness of the N known candidates to it.
            across: Its likeness to the candidates watched.
        """
        row = _solved(self._factor, self._kernel(beside)[:, 0].astype(np.float64))
        own = float(self._kernel.variances(candidate)[0]) + self._kernel.noise + _JITTER
        last = np.sqrt(max(own - float(row @ row), _JITTER))
        size = len(row)
        factor = np.zeros((size + 1, size + 1))
        factor[:size, :size] = self._factor
        factor[size] = [*row, last]
        fresh = self._kernel(across)[0] - row.astype(np.float32) @ self._spread
        fresh /= np.float32(last)
        self._factor = factor
        self._spread = np.vstack([self._spread, fresh])
        self._variances = self._variances - fresh**2

    def predict(self, values: Values) -> tuple[Values, Values]:
        """Mean and standard deviation of the figures of the candidates watched, without noise.

        Args:
            values: The N known figures, in the order in which their candidates became known.

        Returns:
            Two arrays of shape (candidates,), in the units of the figures.
        """
        mean, scale = float(values.mean()), float(values.std()) or 1.0
        whitened = _solved(self._factor, (values - mean) / scale)
        centre = whitened.astype(np.float32) @ self._spread
        variances = np.maximum(self._variances, _JITTER) * (whitened @ whitened / len(values))
        return mean + scale * centre.astype(np.float64), scale * np.sqrt(variances)


def _log_posterior(point: Values, likeness: Likeness, values: Values) -> float:
    factor = _factor(_kernel(point), likeness)
    whitened = _solved(factor, values)
    # Figures that are all the same have no scale.
    fit = -len(values) / 2 * np.log(max(float(whitened @ whitened), _JITTER))
    prior = (((point - _START) / _SPREAD) ** 2).sum() / 2
    return float(fit - np.log(np.diag(factor)).sum() - prior)


def _kernel(point: Values) -> Kernel:
    rates, shares, noise = np.exp(point[:2]), np.exp(point[2:5]), float(np.exp(point[5]))
    decisions, network, totals = (shares / shares.sum()).tolist()
    return Kernel((float(rates[0]), float(rates[1])), (decisions, network, totals), noise)


def _factor(kernel: Kernel, likeness: Likeness) -> NDArray[np.float64]:
    covariance = kernel(likeness).astype(np.float64)
    covariance[np.diag_indices(len(covariance))] += kernel.noise + _JITTER
    factor: NDArray[np.float64] = cholesky(covariance, lower=True, check_finite=False)
    return factor


def _solved(factor: NDArray[F], right: NDArray[F]) -> NDArray[F]:
    solved: NDArray[F] = solve_triangular(factor, right, lower=True, check_finite=False)
    return solved


def _squared_distances(one: Matrix, other: Matrix) -> Matrix:
    distances = one @ other.T
    distances *= -2
    distances += (one**2).sum(axis=1)[:, None]
    distances += (other**2).sum(axis=1)
    return np.maximum(distances, 0, out=distances)
