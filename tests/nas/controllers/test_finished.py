from __future__ import annotations

import random

import optuna
from optuna.trial import FrozenTrial, TrialState

from nas.controllers.finished import FinishedTrials

FINISHED = (TrialState.COMPLETE, TrialState.FAIL, TrialState.PRUNED)


class _Study:
    """Trials whose states change, as a storage replaces them."""

    def __init__(self) -> None:
        self.trials: list[FrozenTrial] = []

    def put(self, number: int, state: TrialState) -> None:
        trial = optuna.trial.create_trial(
            state=state, value=1.0 if state == TrialState.COMPLETE else None
        )
        trial.number = number
        self.trials[number : number + 1] = [trial]


def test_every_trial_finishes_once_whatever_the_order() -> None:
    rng = random.Random(0)
    study, watch = _Study(), FinishedTrials()
    seen: list[int] = []
    for _ in range(300):
        if rng.random() < 0.5:
            study.put(len(study.trials), rng.choice((TrialState.WAITING, TrialState.RUNNING)))
        for trial in study.trials:
            if not trial.state.is_finished() and rng.random() < 0.2:
                study.put(trial.number, rng.choice((TrialState.RUNNING, *FINISHED)))
        if rng.random() < 0.7:
            look = watch.look(study.trials)
            seen += [trial.number for trial in look.finished]
            open_now = [trial for trial in study.trials if not trial.state.is_finished()]
            assert look.unfinished == open_now
            assert sorted(seen) == [t.number for t in study.trials if t.state.is_finished()]
    assert len(seen) > 100


def test_a_finished_trial_is_not_looked_at_again() -> None:
    study, watch = _Study(), FinishedTrials()
    for number in range(3):
        study.put(number, TrialState.COMPLETE)
    study.put(3, TrialState.RUNNING)
    watch.look(study.trials)
    looked_at: list[int] = []

    class Watched(list[FrozenTrial]):
        def __getitem__(self, index):  # type: ignore[no-untyped-def]
            found = super().__getitem__(index)
            looked_at.extend(t.number for t in (found if isinstance(index, slice) else [found]))
            return found

    study.put(4, TrialState.RUNNING)
    watch.look(Watched(study.trials))
    assert looked_at == [3, 4]
