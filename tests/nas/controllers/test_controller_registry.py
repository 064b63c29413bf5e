from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import optuna
import pytest
from optuna.trial import FrozenTrial

from nas.controllers import create, names, resolve
from nas.errors import UserError
from search_spaces.space import SearchSpace

Reward = Callable[[FrozenTrial], float | None]
Run = Callable[[Any, SearchSpace, int], optuna.Study]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", names())
def test_every_controller_runs_and_follows_its_seed(
    name: str, tiny_space: SearchSpace, reward: Reward, run: Run
) -> None:
    runs = [run(create(name, tiny_space, reward, seed), tiny_space, 24) for seed in (0, 0, 1)]
    first, again, other = ([trial.params for trial in study.trials] for study in runs)
    assert first == again
    assert first != other


@pytest.mark.parametrize("name", ["random", "tpe", "gp", "nsga2"])
def test_restarted_worker_does_not_repeat_candidates(
    name: str, space: SearchSpace, reward: Reward, run: Run
) -> None:
    settings = {"population_size": 5} if name == "nsga2" else {}
    whole = run(create(name, space, reward, 0, **settings), space, 16)
    halves = run(create(name, space, reward, 0, **settings), space, 8)
    halves.sampler = create(name, space, reward, 0, **settings)
    objective = [trial.values[0] for trial in whole.trials]
    for number in range(8, 16):
        trial = halves.ask()
        for decision in space.decisions:
            trial.suggest_categorical(decision.name, decision.options)
        halves.tell(trial, objective[number])
    assert [t.params for t in halves.trials] == [t.params for t in whole.trials]


def test_settings_have_defaults_and_take_values() -> None:
    settings = resolve("ppo", clip=0.2).model_dump()
    assert settings["clip"] == 0.2
    assert settings["baseline_decay"] == 0.95


@pytest.mark.parametrize(("policy", "rate"), [("lstm", 0.01), ("independent", 0.2)])
def test_default_learning_rate_follows_the_policy(policy: str, rate: float) -> None:
    assert resolve("ppo", policy=policy).model_dump()["learning_rate"] == rate


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("renforce", {}, "there is no controller 'renforce'; did you mean 'reinforce'"),
        ("ppo", {"clipp": 0.1}, "unknown key 'clipp'; did you mean 'clip'?"),
        ("evolution", {"population": 3}, "sample (5) must not exceed population (3)"),
        ("reinforce", {"learning_rate": -1}, "learning_rate: Input should be greater than 0"),
        ("reinforce", {"policy": "gru"}, "policy: Input should be 'lstm' or 'independent'"),
        ("random", {"population": 3}, "unknown key 'population'"),
    ],
)
def test_wrong_settings_are_refused(name: str, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as caught:
        resolve(name, **settings)
    assert message in str(caught.value)


@pytest.mark.parametrize("name", names())
def test_negative_seed_is_refused(name: str, tiny_space: SearchSpace, reward: Reward) -> None:
    with pytest.raises(UserError, match="seed must not be negative"):
        create(name, tiny_space, reward, -1)


def test_names_need_neither_torch_nor_optuna() -> None:
    code = (
        "import sys, nas.controllers as c; c.names(); "
        "sys.exit(bool({'torch', 'optuna'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
