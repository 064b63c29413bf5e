"""From the times of operators to the time of a network."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from latency.predicting.operator_table import Sum

LEVEL = 0.9
"""Share of the networks whose latency is meant to lie within the interval of its prediction."""

_SLOPE_SPREAD = 0.5
_OVERHEAD_SPREAD = 0.1
_NODE_SPREAD = 0.5
_USUAL_ERROR = 0.03
_PRIOR_WEIGHT = 1.0
_GUESS_ERROR = 0.5
_OUTLIER = 3.0
_ROUNDS = 5


@dataclass(frozen=True)
class Prediction:
    """A latency that was not measured.

    Attributes:
        ms: Milliseconds of one forward pass.
        low_ms: Lower end of the interval that holds the latency of 90 % of such networks.
        high_ms: Its upper end.
        guessed: Share of the time that comes from operators which were not measured, 0 to 1.
    """

    ms: float
    low_ms: float
    high_ms: float
    guessed: float


class Calibration:
    """A line from sums over operators to measured latencies.

    The latency is taken as overhead + slope · time of the nodes + overhead of a node · number of
    nodes, with errors in proportion to it. The three coefficients are found by Bayesian linear
    regression (Murphy, Machine Learning, 2012, section 7.6) around the plain sum, so that few
    networks, or none, give a line too, with wide intervals. Networks far from the line count less.

    Args:
        sums: Of the networks that were measured.
        measured: Their latencies in milliseconds.
    """

    def __init__(self, sums: Sequence[Sum], measured: Sequence[float]) -> None:
        targets = np.asarray(measured, dtype=float)
        features = np.array([_features(total) for total in sums], dtype=float).reshape(-1, 3)
        usable = targets > 0
        self._features, self._targets = features[usable], targets[usable]
        weights = np.ones(len(self._targets))
        for _ in range(_ROUNDS):
            self._fit(weights)
            weights = self._trust()

    @property
    def networks(self) -> int:
        """Number of networks that it rests on."""
        return len(self._targets)

    @property
    def error(self) -> float:
        """Relative error of a prediction, as a standard deviation."""
        return math.sqrt(self._rate / self._shape)

    def coefficients(self) -> tuple[float, float, float]:
        """Overhead in ms, slope, and overhead of a node in ms."""
        overhead, slope, node = (float(value) for value in self._mean)
        return overhead, slope, node

    def predict(self, total: Sum) -> Prediction:
        """The latency of a network."""
        features = np.array(_features(total))
        middle = max(float(features @ self._mean), 0.0)
        variance = self.error**2 * (middle**2 + float(features @ self._covariance @ features))
        slope = self.coefficients()[1]
        spread = math.sqrt(variance + (_GUESS_ERROR * slope * total.guessed) ** 2)
        reach = _student(2 * self._shape) * spread
        guessed = total.guessed / total.milliseconds if total.milliseconds else 0.0
        return Prediction(middle, max(middle - reach, 0.0), middle + reach, guessed)

    def _fit(self, weights: np.ndarray) -> None:
        prior, spread = self._prior()
        # Dividing by the latency makes errors that are in proportion to it equal.
        scale = np.sqrt(weights) / self._targets
        rows, ones = self._features * scale[:, None], self._targets * scale
        precision = np.diag((_USUAL_ERROR / spread) ** 2)
        self._covariance = np.linalg.inv(precision + rows.T @ rows)
        self._mean = self._covariance @ (precision @ prior + rows.T @ ones)
        # Coefficients that the networks decide bring errors down, and are no sign of precision.
        decided = float(np.trace(rows @ self._covariance @ rows.T))
        self._shape = _PRIOR_WEIGHT + (float(weights.sum()) - decided) / 2
        misses = float(((ones - rows @ self._mean) ** 2).sum())
        shift = self._mean - prior
        self._rate = _PRIOR_WEIGHT * _USUAL_ERROR**2 + (misses + shift @ precision @ shift) / 2

    def _prior(self) -> tuple[np.ndarray, np.ndarray]:
        if not self.networks:
            return np.array([0.0, 1.0, 0.0]), np.array([1e-3, _SLOPE_SPREAD, 1e-3])
        time = float(np.median(self._features[:, 1]))
        node = time / max(float(np.median(self._features[:, 2])), 1.0)
        spread = [_OVERHEAD_SPREAD * time, _SLOPE_SPREAD, _NODE_SPREAD * node]
        return np.array([0.0, 1.0, 0.0]), np.maximum(spread, 1e-6)

    def _trust(self) -> np.ndarray:
        """Huber's weights: 1 within a few usual errors, less beyond."""
        misses = np.abs(self._features @ self._mean / self._targets - 1)
        usual = 1.4826 * float(np.median(misses)) if self.networks else 0.0
        limit = _OUTLIER * max(usual, _USUAL_ERROR / 3)
        return np.minimum(1.0, limit / np.maximum(misses, 1e-12))


def _features(total: Sum) -> tuple[float, float, float]:
    return (1.0, total.milliseconds, float(total.nodes))


def _student(freedom: float) -> float:
    """Quantile of Student's t that bounds the interval from above, by Cornish and Fisher.

    Within 3 % of the exact value from 3 degrees of freedom on.
    """
    z = NormalDist().inv_cdf((1 + LEVEL) / 2)
    return (
        z
        + (z**3 + z) / (4 * freedom)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * freedom**3)
    )
