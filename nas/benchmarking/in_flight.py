"""Several workers of one search, simulated in one process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import optuna
from optuna.exceptions import TrialPruned
from optuna.trial import TrialState

from nas.searching.memory_storage import MemoryStorage
from nas.searching.places import Places, completed, trials_asked
from nas.searching.stop import FailureWatch
from nas.searching.trial import TrialError, TrialRunner


@dataclass(frozen=True)
class _Evaluated:
    """A candidate whose worker has not told its result yet."""

    trial: optuna.Trial
    values: Sequence[float] | None = None
    state: TrialState | None = None


class WorkersInFlight(Places):
    """The places of a study in memory on which several workers train at the same time.

    Candidates are looked up when they are drawn, and told later: whenever all workers are at work,
    one of them, drawn at random, ends and learns, and draws the next candidate. So a controller
    draws without the results of as many candidates as there are other workers, and gets to know
    them out of order, as with trainings whose times are exponentially distributed.

    Args:
        study: The study.
        storage: Its storage.
        workers: How many.
        seed: Of the order in which they end.
    """

    def __init__(
        self, study: optuna.Study, storage: MemoryStorage, workers: int, seed: int
    ) -> None:
        super().__init__(study, storage, grace=1.0)
        self._workers = workers
        self._order = np.random.default_rng((seed, workers))
        self._flying: list[_Evaluated] = []

    def work(self, runner: TrialRunner, failures: FailureWatch) -> None:
        """Runs trials until the number asked for is complete.

        Args:
            runner: Runs one trial in these places, without a pause where it waits for another one.
            failures: Raises when too many candidates in a row have failed.

        Raises:
            SearchError: If they have.
        """
        asked = trials_asked(self._study)
        while (done := completed(trials := self._study.get_trials(deepcopy=False))) < asked:
            failures.check(trials)
            if len(self._flying) < min(self._workers, asked - done):
                self._flying.append(_evaluated(self._study.ask(), runner))
            else:
                self._land()

    def release_lost(self, cause: str | None = None) -> None:
        """Lets a worker end: the one that calls this waits for the result of another."""
        self._land()

    def _land(self) -> None:
        landed = self._flying.pop(self._order.integers(len(self._flying)))
        self._study.tell(landed.trial, landed.values, landed.state)


def _evaluated(trial: optuna.Trial, runner: TrialRunner) -> _Evaluated:
    try:
        return _Evaluated(trial, runner(trial))
    except TrialPruned:
        return _Evaluated(trial, state=TrialState.PRUNED)
    except TrialError:
        return _Evaluated(trial, state=TrialState.FAIL)
