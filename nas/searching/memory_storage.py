"""A study in memory, for searches that leave nothing behind."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.storages import InMemoryStorage
from optuna.trial import FrozenTrial


class MemoryStorage(InMemoryStorage):
    """Keeps studies in memory, for short searches that leave nothing behind.

    It has the interface of a `TrialStorage` as far as a worker needs it, for a single process.
    """

    def __init__(self) -> None:
        super().__init__()
        self._waiting: list[Callable[[], None]] | None = None

    @contextmanager
    def together(self, *, with_end: bool = False) -> Iterator[None]:
        """See `nas.searching.storage.TrialStorage.together`; any block writes at its end."""
        self._waiting = []
        try:
            yield
            writes = self._waiting
        finally:
            self._waiting = None
        for later in writes:
            later()

    @contextmanager
    def as_seen(self) -> Iterator[None]:
        """Does nothing: nobody else writes to it."""
        yield

    def record_heartbeat(self, trial_id: int) -> None:
        """Does nothing: a study in memory does not outlive its worker."""

    def get_trial(self, trial_id: int) -> FrozenTrial:
        trial = super().get_trial(trial_id)
        if trial.state.is_finished():
            return trial
        # Optuna changes the trial that it is given here before it writes to the storage.
        own = copy.copy(trial)
        own.params, own.distributions = dict(trial.params), dict(trial.distributions)
        own.user_attrs = dict(trial.user_attrs)
        return own

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        if self._waiting is None:
            super().set_trial_user_attr(trial_id, key, value)
            return
        self._waiting.append(
            lambda: super(MemoryStorage, self).set_trial_user_attr(trial_id, key, value)
        )

    def set_trial_param(
        self,
        trial_id: int,
        param_name: str,
        param_value_internal: float,
        distribution: BaseDistribution,
    ) -> None:
        if self._waiting is None:
            super().set_trial_param(trial_id, param_name, param_value_internal, distribution)
            return
        self._waiting.append(
            lambda: super(MemoryStorage, self).set_trial_param(
                trial_id, param_name, param_value_internal, distribution
            )
        )
