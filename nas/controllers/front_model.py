"""Models of all objectives, and what they promise of candidates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from nas.controllers.gaussian_process import Likeness, Process, fitted_kernel
from nas.controllers.neighbours import Choices
from nas.controllers.scalarisation import (
    Array,
    closeness,
    expected_improvement,
    preferences,
    utilities,
)
from nas.controllers.scales import Scales
from nas.controllers.shortlist import Shortlist
from nas.controllers.spread import spread
from nas.controllers.traits import Traits

_DIRECTIONS = 32
"""Preferences under which trials and candidates are compared before a closer look."""

_KERNEL_TRIALS = 100
"""Trials that a kernel is fitted to."""

_FINALISTS = 100
"""Candidates whose expected improvement is computed, for each preference."""

_HOPE = 1.5
"""Standard deviations above the mean by which finalists are chosen."""

_UTMOST = 3.0
"""Standard deviations above the mean that no candidate is expected to exceed."""


class FrontModel:
    """A Gaussian process for every objective, fitted to some trials; more can be added.

    Args:
        shortlist: Chooses the candidates that the model is asked about.
        choices: Candidates that were tried, of shape (trials, decisions), at least 2.
        gains: Their objectives, of shape (trials, objectives): the quality, then the costs with
            their sign changed, so that larger is better in all.
        fitted: Largest number of trials that the model is fitted to: half of them the best, the
            others at equal steps among the rest.
        rng: Source of randomness.

    Attributes:
        start: Number of trials that it was made from.
        count: Number of trials that it knows of.
    """

    def __init__(
        self,
        shortlist: Shortlist,
        choices: Choices,
        gains: Array,
        fitted: int,
        rng: np.random.Generator,
    ) -> None:
        self.start = self.count = len(choices)
        self._read = shortlist.read
        directions = preferences(_DIRECTIONS, gains.shape[1], rng)
        close = closeness(Scales(gains).relative(gains), directions)
        ranked = np.argsort(-close, kind="stable")
        rows = np.sort(spread(ranked, fitted))
        self._gains = gains[rows]
        self._traits = self._read(choices[rows])
        self._processes = self._fitted()
        self._candidates = shortlist.choose(choices[ranked], self._expected, directions, rng)
        self._watched = self._read(self._candidates)
        across = Likeness.of(self._traits, self._watched)
        for process in self._processes:
            process.watch(self._watched, across)

    def add(self, choices: tuple[int, ...], gains: tuple[float, ...]) -> None:
        """Takes in one more trial, without choosing kernels or candidates anew."""
        traits = self._read(np.array([choices]))
        beside = Likeness.of(self._traits, traits)
        across = Likeness.of(traits, self._watched)
        for process in self._processes:
            process.add(traits, beside, across)
        self._traits = self._traits.joined(traits)
        self._gains = np.vstack([self._gains, gains])
        self.count += 1

    def ranked(self, count: int, rng: np.random.Generator) -> tuple[Choices, float]:
        """Candidates, the one first that promises most for one of some random preferences.

        Args:
            count: Number of preferences; the one that promises the largest improvement decides.
            rng: Source of randomness.

        Returns:
            The candidates, of shape (candidates, decisions), and the improvement that the first
            one promises, as a share of what the best has gained.
        """
        outlook = self._outlook()
        promises = [
            outlook.promise(preference)
            for preference in preferences(count, self._gains.shape[1], rng)
        ]
        decisive = max(promises, key=lambda promise: promise.improvements[0])
        return self._candidates[decisive.order], float(decisive.improvements[0])

    def _fitted(self) -> list[Process]:
        likeness = Likeness.of(self._traits, self._traits)
        last = len(self._gains) - 1
        some = np.unique(np.linspace(0, last, _KERNEL_TRIALS).round().astype(np.int64))
        among = likeness.among(some)
        modelled = Scales(self._gains).modelled(self._gains)
        return [Process(fitted_kernel(among, values[some]), likeness) for values in modelled.T]

    def _expected(self, candidates: Traits) -> Array:
        scales = Scales(self._gains)
        across = Likeness.of(self._traits, candidates)
        means = [
            process.means(values, across)
            for process, values in zip(self._processes, scales.modelled(self._gains).T, strict=True)
        ]
        return scales.relative_of_modelled(np.stack(means, axis=1))

    def _outlook(self) -> Outlook:
        scales = Scales(self._gains)
        predicted = [
            process.predict(values)
            for process, values in zip(self._processes, scales.modelled(self._gains).T, strict=True)
        ]
        means, stds = zip(*predicted, strict=True)
        known = scales.relative(self._gains)
        return Outlook(scales, known, np.stack(means, axis=1), np.stack(stds, axis=1))


@dataclass(frozen=True)
class Promise:
    """What candidates promise under one preference.

    Attributes:
        order: Indices of the candidates, the one that promises most first.
        improvements: Expected improvements of the first ones.
    """

    order: NDArray[np.int64]
    improvements: Array


class Outlook:
    """What is known, and what models say about candidates.

    Args:
        scales: Scales of the gains.
        known: Gains that are known, as a preference takes them, of shape (trials, objectives).
        mean: Expected gains of candidates, as a model gives them, of shape (candidates,
            objectives).
        std: Their standard deviations.
    """

    def __init__(self, scales: Scales, known: Array, mean: Array, std: Array) -> None:
        self._scales = scales
        self._known = known
        self._mean = mean
        self._std = std
        self._hoped = scales.relative_of_modelled(mean + _HOPE * std)
        self._utmost = scales.relative_of_modelled(mean + _UTMOST * std)

    def promise(self, preference: Array) -> Promise:
        """What the candidates promise under a preference, of shape (objectives,)."""
        direction = preference[None]
        best = float(utilities(self._known, direction).max())
        utmost = float(utilities(self._utmost, direction).max())
        order = np.argsort(-utilities(self._hoped, direction)[0], kind="stable")
        finalists, rest = order[:_FINALISTS], order[_FINALISTS:]
        if utmost <= best:
            return Promise(order, np.zeros(len(finalists)))
        mean, std = self._mean[finalists], self._std[finalists]

        def chances(gains: Array) -> Array:
            levels = self._scales.modelled_of_relative(gains)
            chances: Array = ndtr((mean - levels[:, None]) / std).prod(axis=-1)
            return chances

        improvements = expected_improvement(chances, preference, best, utmost)
        first = np.argsort(-improvements, kind="stable")
        return Promise(np.concatenate([finalists[first], rest]), improvements[first])
