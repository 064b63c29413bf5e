from __future__ import annotations

import math
from datetime import datetime, timedelta
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from nas.controllers.evolution import Evolution, EvolutionSettings
from nas.controllers.learner import Lesson
from nas.controllers.policy_gradient import Baseline
from nas.controllers.ppo import PPO, PPOSettings, clipped_loss
from nas.controllers.reinforce import REINFORCE, REINFORCESettings
from search_spaces.decision import Decision
from search_spaces.space import SearchSpace


def lesson(
    number: int, choices: tuple[int, ...], reward: float, log_prob: float | None = None
) -> Lesson:
    completed = datetime(2024, 1, 1) + timedelta(seconds=number)
    return Lesson(completed, number, choices, reward, log_prob)


def log_prob(learner: REINFORCE | PPO, choices: tuple[int, ...]) -> float:
    return float(learner._policy.score(torch.tensor([choices]))[0].detach())


def test_raw_advantage_is_the_distance_from_the_average_before() -> None:
    baseline = Baseline(0.5, "raw")
    # Averages after each reward: 1, then (1 + 3) / 2 = 2, then 2 + 0.5 * (4 - 2) = 3.
    assert [baseline.advantage(reward) for reward in (1.0, 3.0, 4.0, 3.0)] == [0, 2, 2, 0]


def test_standardised_advantage_does_not_depend_on_scale_and_offset() -> None:
    small, large = Baseline(0.95, "standardised"), Baseline(0.95, "standardised")
    rewards = np.random.default_rng(0).normal(size=20)
    scaled = [large.advantage(5 + 100 * float(reward)) for reward in rewards]
    assert [small.advantage(float(reward)) for reward in rewards] == pytest.approx(scaled)


def test_constant_reward_teaches_nothing() -> None:
    baseline = Baseline(0.95, "standardised")
    assert [baseline.advantage(0.5) for _ in range(3)] == [0, 0, 0]


def test_reinforce_step_follows_the_gradient(tiny_space: SearchSpace) -> None:
    settings = REINFORCESettings(
        policy="independent", learning_rate=0.1, advantage="raw", entropy_weight=0
    )
    learner = REINFORCE(tiny_space, 0, settings)
    learner.learn(lesson(0, (0, 0, 0), 1.0))
    learner.learn(lesson(1, (1, 0, 2), 2.0))
    # Logits start at 0 and the first lesson has no advantage, so its gradient g is 0. Adam's second
    # step has moments 0.1 g and 0.001 g^2, corrected for two steps: it moves every logit by
    # `step`, up for the choices taken and down for the others.
    step = 0.1 * (0.1 / (1 - 0.9**2)) / math.sqrt(0.001 / (1 - 0.999**2))
    pair = -math.log(1 + math.exp(-2 * step))
    triple = -math.log(1 + 2 * math.exp(-2 * step))
    assert log_prob(learner, (1, 0, 2)) == pytest.approx(2 * pair + triple, abs=1e-4)


@pytest.mark.parametrize("policy", ["lstm", "independent"])
def test_entropy_weight_pulls_the_policy_to_uniform(policy: str, tiny_space: SearchSpace) -> None:
    spreads = []
    for weight in (0.0, 1.0):
        settings = REINFORCESettings.model_validate({"policy": policy, "entropy_weight": weight})
        learner = REINFORCE(tiny_space, 0, settings)
        for number in range(30):
            learner.learn(lesson(number, (1, 1, 1), float(number)))
        spreads.append(log_prob(learner, (1, 1, 1)))
    assert spreads[1] < spreads[0] - 0.1


def test_clipped_loss_by_hand() -> None:
    log_probs = torch.tensor([0.5, 0.5, 0.8, 0.2]).log()
    old = torch.tensor([0.5, 0.25, 0.4, 0.4]).log()
    advantages = torch.tensor([1.0, 1.0, -1.0, -1.0])
    # Ratios 1, 2, 2, 0.5: gains of 1, 1.1 (clipped), -2 (not clipped), -0.9 (clipped).
    assert float(clipped_loss(log_probs, old, advantages, 0.1)) == pytest.approx(0.2)


@pytest.mark.parametrize(("recorded", "moves"), [(0.0, True), (-9.0, False)])
def test_ppo_ratio_is_taken_against_the_recorded_log_prob(
    tiny_space: SearchSpace, recorded: float, moves: bool
) -> None:
    settings = PPOSettings(policy="independent", buffer=2, interval=2, epochs=1, entropy_weight=0)
    learner = PPO(tiny_space, 0, settings)
    before = log_prob(learner, (1, 1, 1))
    learner.learn(lesson(0, (0, 0, 0), 0.0, recorded))
    learner.learn(lesson(1, (1, 1, 1), 1.0, recorded))
    # The candidate has log-probability -2.48: against -9 the ratio is far above 1 + clip, so a
    # gain is clipped and has no gradient; against 0 the ratio is below 1 and it counts.
    assert (log_prob(learner, (1, 1, 1)) > before) == moves


def test_ppo_takes_ratio_1_without_a_recorded_log_prob(tiny_space: SearchSpace) -> None:
    settings = PPOSettings(policy="independent", buffer=2, interval=2)
    learner = PPO(tiny_space, 0, settings)
    choices = torch.tensor([[0, 0, 0], [1, 1, 1]])
    learner._buffer.extend([(lesson(0, (0, 0, 0), 0.0), 0.0), (lesson(1, (1, 1, 1), 1.0, -9), 1.0)])
    assert learner._old_log_probs(choices).tolist() == pytest.approx([-math.log(12), -9])


def test_ppo_updates_only_when_its_interval_is_full(tiny_space: SearchSpace) -> None:
    learner = PPO(tiny_space, 0, PPOSettings(policy="independent", buffer=4, interval=3))
    seen = []
    for number in range(6):
        learner.learn(lesson(number, (number % 2, 1, 2), float(number), -math.log(12)))
        seen.append(log_prob(learner, (1, 1, 2)))
    assert seen[0] == seen[1] == pytest.approx(-math.log(12))
    assert seen[1] != seen[2] == seen[3] == seen[4] != seen[5]


def test_evolution_mutates_exactly_one_decision_of_the_best(space: SearchSpace) -> None:
    learner = Evolution(space, 0, EvolutionSettings(population=4, sample=4))
    for number, reward in enumerate((0.1, 0.9, 0.3, 0.2)):
        learner.learn(lesson(number, (number,) * 6 + (0, 0), reward))
    parent = (1,) * 6 + (0, 0)
    changed = []
    for number in range(100):
        child = learner.draw(np.random.default_rng(number)).choices
        changed.append([i for i, (a, b) in enumerate(zip(parent, child, strict=True)) if a != b])
        assert all(0 <= c < len(d.options) for c, d in zip(child, space.decisions, strict=True))
    assert {len(indices) for indices in changed} == {1}
    assert {indices[0] for indices in changed} == set(range(8))


def test_evolution_lets_the_oldest_die_however_good(space: SearchSpace) -> None:
    learner = Evolution(space, 0, EvolutionSettings(population=2, sample=2))
    learner.learn(lesson(0, (0,) * 8, 9.0))
    learner.learn(lesson(1, (1,) * 8, 1.0))
    learner.learn(lesson(2, (2,) * 8, 0.5))
    child = learner.draw(np.random.default_rng(0)).choices
    assert child.count(1) == 7


def test_evolution_is_random_until_its_population_is_full(space: SearchSpace) -> None:
    learner = Evolution(space, 0, EvolutionSettings(population=3, sample=1))
    learner.learn(lesson(0, (0,) * 8, 1.0))
    learner.learn(lesson(1, (0,) * 8, 1.0))
    draws = [learner.draw(np.random.default_rng(number)).choices for number in range(50)]
    assert max(8 - choices.count(0) for choices in draws) > 3
    assert {choices[0] for choices in draws} == set(range(5))


def test_evolution_never_changes_a_decision_with_one_option() -> None:
    space = SimpleNamespace(decisions=(Decision("only", (0,)), Decision("free", (0, 1))))
    settings = EvolutionSettings(population=1, sample=1)
    learner = Evolution(space, 0, settings)  # type: ignore[arg-type]
    learner.learn(lesson(0, (0, 0), 1.0))
    assert {learner.draw(np.random.default_rng(n)).choices for n in range(20)} == {(0, 1)}
