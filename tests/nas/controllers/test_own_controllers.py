"""Controllers that a user brings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.samplers import BaseSampler, RandomSampler
from optuna.trial import FrozenTrial
from pydantic import Field

from nas import controllers
from nas.controllers import Draw, Learner, Lesson
from nas.controllers.sampler import derived_seed
from nas.errors import UserError
from nas.settings import Settings
from search_spaces.space import SearchSpace

Reward = Callable[[FrozenTrial], float | None]
Run = Callable[[Any, SearchSpace, int], optuna.Study]

FILE = str(Path(__file__).resolve())


class FirstSettings(Settings):
    choice: int = Field(default=0, ge=0)


class First(Learner):
    """Proposes one option of every decision, and counts what it has seen."""

    settings = FirstSettings

    def __init__(self, space: SearchSpace, seed: int, settings: FirstSettings) -> None:
        self._choices = tuple(
            min(settings.choice, len(decision.options) - 1) for decision in space.decisions
        )

    def learn(self, lesson: Lesson) -> None:
        pass

    def draw(self, rng: np.random.Generator) -> Draw:
        return Draw(self._choices)


class Recording(RandomSampler):
    """A random sampler that records how it was made."""

    made: list[tuple[int, float]] = []

    def __init__(self, seed: int, share: float = 0.5) -> None:
        if share > 1:
            raise ValueError("share must be at most 1")
        self.made.append((seed, share))
        super().__init__(seed=seed)


def plain(space: SearchSpace, seed: int, offset: int) -> BaseSampler:
    assert space.decisions
    return RandomSampler(seed=seed + offset)


@pytest.fixture(autouse=True)
def own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(controllers.registry._CONTROLLERS, "_registered", {})
    monkeypatch.setattr(Recording, "made", [])


@pytest.mark.parametrize("name", ["first", f"{FILE}:First"])
def test_a_learner_is_found_by_name_and_by_import_path(
    name: str, tiny_space: SearchSpace, reward: Reward, run: Run
) -> None:
    controllers.register("first")(First)
    study = run(controllers.create(name, tiny_space, reward, 0, choice=1), tiny_space, 3)
    expected = {decision.name: decision.options[1] for decision in tiny_space.decisions}
    assert [trial.params for trial in study.trials] == [expected] * 3


def test_a_registered_controller_is_listed() -> None:
    controllers.register("first")(First)
    assert controllers.names()[-1] == "first"
    assert controllers.address("first") == controllers.address(First) == f"{FILE}:First"
    assert controllers.is_importable("first")


@pytest.mark.parametrize("name", ["ppo", "tpe"])
def test_a_built_in_controller_is_told_by_its_name(name: str) -> None:
    assert controllers.address(name) == name
    assert controllers.is_importable(name)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"choice": -1}, "choice: Input should be greater than or equal to 0"),
        ({"choise": 1}, "unknown key 'choise'; did you mean 'choice'?"),
    ],
)
def test_settings_of_a_learner_are_checked(settings: dict[str, Any], message: str) -> None:
    controllers.register("first")(First)
    with pytest.raises(UserError, match="controller first: ") as caught:
        controllers.resolve("first", **settings)
    assert message in str(caught.value)


def test_a_sampler_class_is_made_anew_for_each_trial(
    tiny_space: SearchSpace, reward: Reward, run: Run
) -> None:
    controllers.register("recording")(Recording)
    sampler = controllers.create("recording", tiny_space, reward, 5, share=0.25)
    Recording.made.clear()
    run(sampler, tiny_space, 2)
    assert Recording.made == [(derived_seed(5, 0), 0.25), (derived_seed(5, 1), 0.25)]


def test_a_sampler_of_optuna_needs_no_more_than_its_path(
    tiny_space: SearchSpace, reward: Reward, run: Run
) -> None:
    named = controllers.create("random", tiny_space, reward, 3)
    found = controllers.create("optuna.samplers:RandomSampler", tiny_space, reward, 3)
    ours, theirs = ([t.params for t in run(s, tiny_space, 6).trials] for s in (named, found))
    assert ours == theirs


def test_a_function_is_called_with_what_it_takes(
    tiny_space: SearchSpace, reward: Reward, run: Run
) -> None:
    controllers.register(plain)
    study = run(controllers.create("plain", tiny_space, reward, 1, offset=2), tiny_space, 4)
    other = run(RandomSampler(seed=3), tiny_space, 4)
    assert [trial.params for trial in study.trials] == [trial.params for trial in other.trials]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "controller plain: offset: Field required."),
        ({"ofset": 1}, "controller plain: unknown key 'ofset'; did you mean 'offset'?"),
        ({"seed": 1, "offset": 1}, "controller plain: unknown key 'seed'"),
    ],
)
def test_settings_of_a_sampler_are_its_other_arguments(
    settings: dict[str, Any], message: str
) -> None:
    controllers.register(plain)
    with pytest.raises(UserError) as caught:
        controllers.resolve("plain", **settings)
    assert message in str(caught.value)


def test_what_a_sampler_refuses_is_one_sentence(tiny_space: SearchSpace, reward: Reward) -> None:
    controllers.register("recording")(Recording)
    with pytest.raises(UserError, match=r"^controller recording: share must be at most 1\.$"):
        controllers.create("recording", tiny_space, reward, 0, share=2)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("math:pi", "the controller 'math:pi' must be a Learner, a sampler of Optuna or a func"),
        ("nas.controllers:Learner", "the controller 'nas.controllers:Learner' must define draw, "),
        ("no_such.module:Own", "no_such.module cannot be imported: No module named 'no_such'."),
    ],
)
def test_what_is_no_controller_is_refused(name: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        controllers.resolve(name)
    assert message in str(caught.value)
