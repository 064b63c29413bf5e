"""Trials that repeat the network of an earlier trial, whose results they take over."""

from __future__ import annotations

from collections.abc import Sequence

from optuna.trial import FrozenTrial, TrialState

from nas.controllers.finished import FinishedTrials

REPEATS = "duplicate_of"
"""Saved key: number of the first trial of the same network; only repeats have it."""
Keys = tuple[str, str]
"""Canonical key and network key: candidates with equal keys compute the same at the same cost."""


class Repeats:
    """Finds the trial that a new one repeats, in a time that does not grow with the study.

    Args:
        seed: Seed of the evaluations; trials with another seed are not repeated.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._watch = FinishedTrials()
        self._complete: dict[Keys, FrozenTrial] = {}

    def original(
        self, number: int, keys: Keys, trials: Sequence[FrozenTrial]
    ) -> FrozenTrial | None:
        """The first trial of the same network that is complete, or that is running since before.

        Args:
            number: Number of a running trial.
            keys: The keys of its candidate.
            trials: All trials of the study.
        """
        look = self._watch.look(trials)
        for other in look.finished:
            if other.state == TrialState.COMPLETE:
                self._remember(other)
        # As a trial only waits for smaller numbers, no two trials wait for each other.
        before = [
            other
            for other in look.unfinished
            if other.state == TrialState.RUNNING and other.number < number
        ]
        found = [other for other in before if self._keys(other) == keys]
        if keys in self._complete:
            found.append(self._complete[keys])
        return min(found, key=lambda other: other.number, default=None)

    def _remember(self, trial: FrozenTrial) -> None:
        keys = self._keys(trial)
        if keys is None:
            return
        known = self._complete.get(keys)
        if known is None or trial.number < known.number:
            self._complete[keys] = trial

    def _keys(self, trial: FrozenTrial) -> Keys | None:
        known = trial.user_attrs
        if "canonical_key" not in known or known["origin"]["seed"] != self._seed:
            return None
        canonical = str(known["canonical_key"])
        # Older studies store a single key.
        return canonical, str(known.get("network_key", canonical))
