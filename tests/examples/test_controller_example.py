from __future__ import annotations

import optuna
import pytest

import search_spaces
from nas import controllers
from nas.errors import UserError


def widths(trial):
    """More channels are better."""
    return float(trial.params["width 0"] + trial.params["width 1"])


def run(controller, space, trials):
    study = optuna.create_study(direction="maximize", sampler=controller)
    for _ in range(trials):
        trial = study.ask()
        for decision in space.decisions:
            trial.suggest_categorical(decision.name, decision.options)
        study.tell(trial, widths(trial))
    return study


@pytest.fixture
def space(examples):
    return search_spaces.create(f"{examples}/own_space.py:TinySpace")


def test_proposals_differ_from_the_best_in_few_decisions(examples, space):
    path = f"{examples}/own_controller.py:Greedy"
    study = run(controllers.create(path, space, widths, 0, changes=2), space, 20)
    best = study.trials[0]
    for trial in study.trials[1:]:
        changed = [name for name, value in trial.params.items() if best.params[name] != value]
        assert len(changed) <= 2
        best = max(best, trial, key=widths)
    assert widths(best) > widths(study.trials[0])


def test_settings_are_checked(examples):
    path = f"{examples}/own_controller.py:Greedy"
    assert controllers.resolve(path).model_dump() == {"changes": 1}
    with pytest.raises(UserError, match="changes: Input should be greater than or equal to 1"):
        controllers.resolve(path, changes=0)


@pytest.mark.parametrize("name", controllers.names())
def test_every_controller_searches_the_space(name, space):
    study = run(controllers.create(name, space, widths, 0), space, 15)
    assert len({tuple(trial.params.values()) for trial in study.trials}) > 5
