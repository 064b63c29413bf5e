"""A model that predicts a figure of a candidate from its features, with its uncertainty."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import solve_triangular

from nas.controllers.encodings import Features

Values = Features
"""Figures of shape (candidates,)."""

_LENGTHS = (0.5, 1.0)
_NOISES = (0.02, 0.1)
_EMPHASES = (1.0, 4.0)
_MEMBERS = 3
_JITTER = 1e-6


@dataclass(frozen=True)
class Kernel:
    """Covariance of the figures of two candidates: it falls with the distance of their features.

    Args:
        shares: Weight of each block of features in the squared distance; they sum to 1.
        length: Distance over which figures change.
        noise: Variance of the noise, where the figures have variance 1.
    """

    shares: tuple[float, ...]
    length: float
    noise: float

    def __call__(self, distances: Features) -> Features:
        """Covariances for squared distances per block, of shape (blocks, ...)."""
        exponent = distances[0] * (self.shares[0] / (-2 * self.length**2))
        for share, block in zip(self.shares[1:], distances[1:], strict=True):
            exponent += block * (share / (-2 * self.length**2))
        covariance: Features = np.exp(exponent, out=exponent)
        return covariance


class Ensemble:
    """Gaussian processes that differ in their kernel, weighted by how well they explain the data.

    The kernels differ in the emphasis on one block of features, in length and in noise. The
    weight of a process is proportional to the likelihood of the figures under it (Rasmussen and
    Williams 2006, section 5.2, https://gaussianprocess.org/gpml), so that nothing needs to be
    tuned; only the few best count. All is closed form: fitting takes time cubic in the number of
    candidates, predicting time quadratic in it.

    Args:
        blocks: The columns of each block of features, as `Encoding.blocks`.
    """

    def __init__(self, blocks: Sequence[slice]) -> None:
        self._blocks = tuple(blocks)
        settings = itertools.product(_all_shares(len(blocks)), _LENGTHS, _NOISES)
        self._kernels = [Kernel(*setting) for setting in settings]
        self._x: Features = np.empty((0, 0))
        self._mean = 0.0
        self._scale = 1.0
        self._members: list[_Process] = []
        self._weights: Values = np.empty(0)

    def fit(self, x: Features, y: Values) -> None:
        """Forgets what was fitted and fits figures to features.

        Args:
            x: Shape (candidates, columns).
            y: Shape (candidates,), at least one, finite, of any scale.
        """
        self._x = x
        self._mean = float(np.mean(y))
        self._scale = float(np.std(y)) or 1.0
        distances = squared_distances(x, x, self._blocks)
        z = (np.asarray(y) - self._mean) / self._scale
        processes = [_Process(kernel, distances, z) for kernel in self._kernels]
        processes.sort(key=lambda process: -process.log_likelihood)
        self._members = processes[:_MEMBERS]
        evidence = np.array([process.log_likelihood for process in self._members])
        weights = np.exp(evidence - evidence[0])
        self._weights = weights / weights.sum()

    def predict(self, x: Features) -> tuple[Values, Values]:
        """Mean and standard deviation of the figures, without noise, each of shape (candidates,).

        Args:
            x: Shape (candidates, columns).
        """
        distances = squared_distances(self._x, x, self._blocks)
        predicted = [process.predict(distances) for process in self._members]
        means = np.array([mean for mean, _ in predicted])
        variances = np.array([variance for _, variance in predicted])
        mean = self._weights @ means
        variance = self._weights @ (variances + (means - mean) ** 2)
        return self._mean + self._scale * mean, self._scale * np.sqrt(variance)

    def sample(self, x: Features, rng: np.random.Generator) -> Values:
        """The figures under one function drawn from the posterior, of shape (candidates,).

        Time is cubic in the number of candidates: meant for hundreds.

        Args:
            x: Shape (candidates, columns).
            rng: Source of randomness.
        """
        process = self._members[rng.choice(len(self._members), p=self._weights)]
        drawn = process.sample(
            squared_distances(self._x, x, self._blocks),
            squared_distances(x, x, self._blocks),
            rng,
        )
        return self._mean + self._scale * drawn


class _Process:
    """A Gaussian process of mean 0 and variance 1 with one kernel, fitted to figures."""

    def __init__(self, kernel: Kernel, distances: Features, z: Values) -> None:
        self._kernel = kernel
        covariance = kernel(distances)
        covariance[np.diag_indices(len(z))] += kernel.noise
        self._factor = np.linalg.cholesky(covariance)
        self._whitened = self._solve(z)
        fit = self._whitened @ self._whitened / 2
        self.log_likelihood = -float(fit + np.log(np.diag(self._factor)).sum())

    def predict(self, distances: Features) -> tuple[Values, Values]:
        """Mean and variance, from squared distances of shape (blocks, fitted, candidates)."""
        spread = self._solve(self._kernel(distances))
        variance = 1 - np.einsum("ij,ij->j", spread, spread)
        return self._whitened @ spread, np.maximum(variance, 0)

    def sample(self, distances: Features, among: Features, rng: np.random.Generator) -> Values:
        """A draw, from distances to what was fitted and among the candidates."""
        spread = self._solve(self._kernel(distances))
        covariance = self._kernel(among) - spread.T @ spread
        covariance[np.diag_indices(len(covariance))] += _JITTER
        factor = np.linalg.cholesky(covariance)
        drawn: Values = self._whitened @ spread + factor @ rng.standard_normal(len(factor))
        return drawn

    def _solve(self, right: Features) -> Features:
        solved: Features = solve_triangular(self._factor, right, lower=True, check_finite=False)
        return solved


def squared_distances(x: Features, other: Features, blocks: Sequence[slice]) -> Features:
    """Squared distances in each block, of shape (blocks, rows of x, rows of other)."""
    result = np.empty((len(blocks), len(x), len(other)))
    for distances, block in zip(result, blocks, strict=True):
        a, b = x[:, block], other[:, block]
        np.matmul(a, -2 * b.T, out=distances)
        distances += (a**2).sum(axis=1)[:, None]
        distances += (b**2).sum(axis=1)
    return np.maximum(result, 0, out=result)


def _all_shares(blocks: int) -> list[tuple[float, ...]]:
    """Equal shares, and those that emphasise one block."""
    emphases = {
        tuple(emphasis if block == chosen else 1.0 for block in range(blocks))
        for emphasis in _EMPHASES
        for chosen in range(blocks)
    }
    return [tuple(share / sum(shares) for share in shares) for shares in sorted(emphases)]
