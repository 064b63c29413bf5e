from __future__ import annotations

import itertools
import math
from collections import Counter

import numpy as np
import pytest
import torch

from nas.controllers.policy import IndependentPolicy, LSTMPolicy, Policy, create_policy
from search_spaces.space import SearchSpace

NAMES = ("lstm", "independent")


def policy_of(name: str, space: SearchSpace, seed: int = 0) -> Policy:
    """A policy with parameters that make its candidates unequally likely."""
    policy = create_policy(name, space.decisions, seed)  # type: ignore[arg-type]
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for parameter in policy.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.3)
    return policy


def candidates(space: SearchSpace) -> torch.Tensor:
    sizes = [range(len(decision.options)) for decision in space.decisions]
    return torch.tensor(list(itertools.product(*sizes)))


@pytest.mark.parametrize("name", NAMES)
def test_probabilities_of_all_candidates_sum_to_1(name: str, tiny_space: SearchSpace) -> None:
    log_probs = policy_of(name, tiny_space).score(candidates(tiny_space))[0].detach()
    assert log_probs.shape == (12,)
    assert float(log_probs.exp().sum()) == pytest.approx(1, abs=1e-5)
    assert float(log_probs.max() - log_probs.min()) > 0.5


@pytest.mark.parametrize("name", NAMES)
def test_recorded_log_prob_is_that_of_the_batched_pass(name: str, space: SearchSpace) -> None:
    policy = policy_of(name, space)
    draws = [policy.sample(np.random.default_rng(number)) for number in range(8)]
    log_probs, _ = policy.score(torch.tensor([draw.choices for draw in draws]))
    assert [draw.log_prob for draw in draws] == pytest.approx(log_probs.tolist(), abs=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_candidates_are_drawn_with_their_probability(name: str, tiny_space: SearchSpace) -> None:
    policy = policy_of(name, tiny_space)
    rng = np.random.default_rng(0)
    counts = Counter(policy.sample(rng).choices for _ in range(400))
    every = candidates(tiny_space)
    probabilities = policy.score(every)[0].exp().tolist()
    for choices, probability in zip(every.tolist(), probabilities, strict=True):
        deviation = math.sqrt(probability * (1 - probability) / 400)
        assert counts[tuple(choices)] / 400 == pytest.approx(probability, abs=4 * deviation)


def test_entropy_of_uniform_policy_is_the_log_of_the_number_of_candidates(
    space: SearchSpace,
) -> None:
    policy = IndependentPolicy(space.decisions)
    _, entropy = policy.score(torch.zeros(2, 8, dtype=torch.int64))
    assert entropy.tolist() == pytest.approx([6 * math.log(5) + 2 * math.log(3)] * 2)


def test_lstm_makes_a_decision_given_those_before(tiny_space: SearchSpace) -> None:
    policy = policy_of("lstm", tiny_space)
    log_probs = policy.log_probs(torch.tensor([[0, 0, 0], [1, 0, 0]])).detach()
    assert torch.equal(log_probs[0, 0], log_probs[1, 0])
    assert float((log_probs[0, 1, :2] - log_probs[1, 1, :2]).abs().max()) > 1e-3


def test_lstm_has_one_head_row_per_option_of_each_kind(tiny_space: SearchSpace) -> None:
    shapes = {tuple(p.shape) for p in LSTMPolicy(tiny_space.decisions, 0).parameters()}
    assert (5, 100) in shapes
    assert (400, 100) in shapes


def test_lstm_starts_within_its_bound_from_its_seed(tiny_space: SearchSpace) -> None:
    first, again, other = (LSTMPolicy(tiny_space.decisions, seed) for seed in (1, 1, 2))
    values = torch.cat([parameter.flatten() for parameter in first.parameters()])
    assert 0.099 < float(values.detach().abs().max()) <= 0.1
    for one, same, different in zip(
        first.parameters(), again.parameters(), other.parameters(), strict=True
    ):
        assert torch.equal(one, same)
        assert not torch.equal(one, different)


def test_global_random_state_is_left_alone(tiny_space: SearchSpace) -> None:
    before = torch.random.get_rng_state()
    LSTMPolicy(tiny_space.decisions, 0).sample(np.random.default_rng(0))
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize("name", NAMES)
def test_gradients_of_masked_options_are_finite(name: str, tiny_space: SearchSpace) -> None:
    policy = policy_of(name, tiny_space)
    log_prob, entropy = policy.score(candidates(tiny_space))
    (log_prob.mean() + entropy.mean()).backward()
    gradients = [parameter.grad for parameter in policy.parameters()]
    assert all(g is not None and bool(torch.isfinite(g).all()) for g in gradients)
