from __future__ import annotations

import copy
from datetime import datetime, timedelta

import numpy as np
import pytest
import torch

from nas.controllers.learner import Lesson
from nas.controllers.reinforce import REINFORCE, REINFORCESettings
from nas.controllers.warm_reinforce import WarmReinforce, WarmReinforceSettings
from search_spaces.space import SearchSpace


def lesson(number: int, choices: tuple[int, ...], reward: float) -> Lesson:
    return Lesson(datetime(2024, 1, 1) + timedelta(seconds=number), number, choices, reward)


def share_of_targets(choices: tuple[int, ...]) -> float:
    return sum(choice == place % 3 for place, choice in enumerate(choices)) / len(choices)


def random_lessons(space: SearchSpace, count: int) -> list[Lesson]:
    rng = np.random.default_rng(0)
    drawn = [
        tuple(int(rng.integers(len(d.options))) for d in space.decisions) for _ in range(count)
    ]
    return [
        lesson(number, choices, share_of_targets(choices)) for number, choices in enumerate(drawn)
    ]


def mean_reward(learner: REINFORCE, count: int = 60) -> float:
    draws = [learner.draw(np.random.default_rng(number)).choices for number in range(count)]
    return float(np.mean([share_of_targets(choices) for choices in draws]))


def test_policy_is_good_after_the_random_trials(space: SearchSpace) -> None:
    warm = WarmReinforce(space, 0, WarmReinforceSettings(startup=40))
    cold = REINFORCE(space, 0, REINFORCESettings())
    for known in random_lessons(space, 39):
        warm.learn(known)
        cold.learn(known)
    assert mean_reward(warm) < 0.35
    warm.learn(random_lessons(space, 40)[-1])
    assert mean_reward(warm) > 0.5
    assert mean_reward(warm) > mean_reward(cold) + 0.1


def test_goes_on_from_real_rewards(space: SearchSpace) -> None:
    learner = WarmReinforce(space, 0, WarmReinforceSettings(startup=2, interval=1000, imagined=16))
    for known in random_lessons(space, 2):
        learner.learn(known)
    choices = (4, 3, 2, 1, 0, 4, 2, 2)
    batch = torch.tensor([choices])
    before = float(learner._policy.score(batch)[0].detach())
    learner.learn(lesson(2, choices, 9.0))
    assert float(learner._policy.score(batch)[0].detach()) > before + 0.1


def test_imagines_again_at_intervals(space: SearchSpace) -> None:
    learner = WarmReinforce(space, 0, WarmReinforceSettings(startup=4, interval=3, imagined=32))
    imagined = []
    learner._imagine = lambda: imagined.append(learner._lessons)  # type: ignore[method-assign]
    for known in random_lessons(space, 12):
        learner.learn(known)
    assert imagined == [4, 7, 10]


def test_state_is_a_function_of_the_lessons(space: SearchSpace) -> None:
    one, other = (WarmReinforce(space, 3, WarmReinforceSettings(startup=5)) for _ in range(2))
    for known in random_lessons(space, 7):
        one = copy.deepcopy(one)
        one.learn(known)
        one.draw(np.random.default_rng(0))
        other.learn(known)
    again = WarmReinforce(space, 4, WarmReinforceSettings(startup=5))
    for known in random_lessons(space, 7):
        again.learn(known)
    batch = torch.tensor([known.choices for known in random_lessons(space, 7)])
    scores = [learner._policy.score(batch)[0].detach() for learner in (one, other, again)]
    assert torch.equal(scores[0], scores[1])
    assert not torch.equal(scores[0], scores[2])


def test_networks_that_were_tried_are_drawn_no_more(tiny_space: SearchSpace) -> None:
    learner = WarmReinforce(tiny_space, 0, WarmReinforceSettings(startup=30))
    tried = [((a, b, c), 0.5) for a in range(2) for b in range(2) for c in range(2)]
    for number, (choices, reward) in enumerate(tried):
        learner.learn(lesson(number, choices, reward))
    assert {learner.draw(np.random.default_rng(n)).choices[2] for n in range(40)} == {2}


def test_log_prob_is_that_of_the_policy(space: SearchSpace) -> None:
    learner = WarmReinforce(space, 0, WarmReinforceSettings(startup=5))
    for known in random_lessons(space, 6):
        learner.learn(known)
    draw = learner.draw(np.random.default_rng(0))
    log_prob = learner._policy.score(torch.tensor([draw.choices]))[0]
    assert draw.log_prob == pytest.approx(float(log_prob.detach()), abs=1e-4)


@pytest.mark.parametrize(("policy", "weight"), [("lstm", 0.1), ("independent", 0.3)])
def test_default_entropy_weight_follows_the_policy(policy: str, weight: float) -> None:
    assert WarmReinforceSettings(policy=policy).entropy_weight == weight  # type: ignore[arg-type]
