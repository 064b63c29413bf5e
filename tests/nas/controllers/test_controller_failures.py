"""Candidates that fail are left out of proposals, and taught as bad."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import optuna
import pytest
from optuna.samplers import BaseSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState

from nas import controllers
from nas.controllers.avoiding import AvoidsFailures
from nas.controllers.seeded import SeededPerTrial
from search_spaces.decision import Decision
from search_spaces.space import SearchSpace


def _fails(choices: Mapping[str, Any]) -> bool:
    """A quarter of the candidates, and the better ones."""
    return choices["a"] == 3


def _study(controller: str, space: SearchSpace, trials: int, **settings: Any) -> optuna.Study:
    def evaluate(trial: optuna.Trial) -> float:
        choices = {d.name: trial.suggest_categorical(d.name, d.options) for d in space.decisions}
        trial.set_user_attr("canonical_key", str(space.genotype(choices)))
        if _fails(choices):
            trial.set_user_attr("failure", "out of memory")
            raise RuntimeError
        return float(sum(choices.values())) / 9

    sampler = controllers.create(controller, space, lambda trial: trial.value, 0, **settings)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.optimize(evaluate, n_trials=trials, catch=RuntimeError)
    return study


def _failed(study: optuna.Study) -> list[FrozenTrial]:
    return [t for t in study.get_trials(deepcopy=False) if t.state == TrialState.FAIL]


@pytest.fixture
def small_space(tiny_space: SearchSpace) -> SearchSpace:
    """64 candidates, of which the 16 with the largest first decision fail."""
    make: Any = type(tiny_space)
    space: SearchSpace = make([Decision(name, (0, 1, 2, 3)) for name in "abc"])
    return space


@pytest.mark.parametrize("name", sorted(controllers.names()))
def test_no_controller_proposes_a_network_again_that_failed(
    name: str, small_space: SearchSpace
) -> None:
    # The model of gp takes a second per trial.
    trials = 30 if name == "gp" else 60
    times = Counter(str(trial.params) for trial in _failed(_study(name, small_space, trials)))
    assert times
    assert set(times.values()) == {1}


@pytest.mark.parametrize(
    ("name", "trials"),
    [
        ("tpe", 80),
        # Its model takes a second per trial.
        ("gp", 40),
        ("predictor", 80),
        ("preference", 80),
        ("reinforce", 80),
        ("warm_reinforce", 80),
        ("evolution", 80),
        ("nsga2_pymoo", 80),
    ],
)
def test_controllers_learn_what_fails(name: str, trials: int, small_space: SearchSpace) -> None:
    make: Any = type(small_space)
    large = make([Decision("a", (0, 1, 2, 3)), *(Decision(n, tuple(range(4))) for n in "bcdefg")])
    failed = [t.number for t in _failed(_study(name, large, trials))]
    # At random, a quarter of the second half fails.
    assert sum(number >= trials // 2 for number in failed) <= 0.18 * trials / 2


@pytest.mark.parametrize("multivariate", [True, False])
def test_without_failures_draws_are_those_of_the_sampler_alone(
    multivariate: bool, small_space: SearchSpace
) -> None:
    def evaluate(trial: optuna.Trial) -> float:
        return float(sum(trial.suggest_categorical(n, (0, 1, 2, 3)) for n in "abc"))

    def drawn(sampler: BaseSampler) -> list[dict[str, Any]]:
        study = optuna.create_study(direction="maximize", sampler=sampler)
        study.optimize(evaluate, n_trials=20)
        return [trial.params for trial in study.trials]

    alone = SeededPerTrial(lambda seed: TPESampler(seed=seed, multivariate=multivariate), 0)
    assert drawn(AvoidsFailures(alone, small_space)) == drawn(alone)
