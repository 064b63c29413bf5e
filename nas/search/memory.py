"""A study in memory, for searches that are over before a file is worth its while."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.storages import InMemoryStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial

from nas.search.config import SearchConfig
from search_spaces.space import SearchSpace


class MemoryStorage(InMemoryStorage):
    """What the loop of a search needs of a `nas.search.storage.TrialStorage`, for one process.

    Nothing beats in it: with the process its studies are gone, too.
    """

    def __init__(self) -> None:
        super().__init__()
        self._waiting: list[Callable[[], None]] | None = None

    @contextmanager
    def together(self) -> Iterator[None]:
        """Collects what the block writes to trials; if the block raises, nothing is written."""
        self._waiting = []
        try:
            yield
            writes = self._waiting
        finally:
            self._waiting = None
        for write in writes:
            write()

    def record_heartbeat(self, trial_id: int) -> None:
        """See `nas.search.claims.Heartbeats`."""

    def get_trial(self, trial_id: int) -> FrozenTrial:
        trial = super().get_trial(trial_id)
        if trial.state.is_finished():
            return trial
        # Whoever runs a trial writes to what it is given here before it writes to the storage.
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


def create_memory_study(
    storage: MemoryStorage, config: SearchConfig, space: SearchSpace, sampler: BaseSampler
) -> optuna.Study:
    """Creates the study of a search that leaves nothing behind.

    Args:
        storage: Where the study is kept.
        config: Of the search.
        space: Its space.
        sampler: Its controller.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    directions = [StudyDirection.MAXIMIZE]
    directions += [StudyDirection.MINIMIZE] * (len(config.objectives) - 1)
    study = optuna.create_study(storage=storage, sampler=sampler, directions=directions)
    study.set_user_attr("objectives", list(config.objectives))
    study.set_user_attr("space", space.fingerprint)
    study.set_user_attr("first_trial", 0)
    study.set_user_attr("trials", config.trials)
    return study
