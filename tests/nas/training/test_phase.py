from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from nas.training.loop import Batch, DivergedError, Loop, StalledError
from nas.training.phase import Phase, run_phase, train_phase
from nas.training.scoring import ScoreCard
from nas.training.update import Group, Update


class OneBatch:
    def __init__(self):
        self.asked = []

    def __len__(self):
        return 1

    def epoch(self, index):
        self.asked.append(index)
        yield Batch(torch.ones(1), torch.zeros(1))


def make(net, loss=None, polyak=None, **options):
    """A phase of four epochs that counts up; the score is the weight."""
    loss = loss or (lambda batch: -net.weight.sum())
    update = Update([Group(net, "sgd", 1.0, momentum=0.0)], polyak=polyak)
    values = {"name": "counting", "epochs": 4, "end": "end", "score": lambda: card(net)} | options
    return Phase(loop=Loop(net, OneBatch(), loss, update), **values)


def card(net):
    return ScoreCard({}, {"f1": net.weight.item()}, {}, np.zeros((1, 1)))


@pytest.fixture
def net():
    net = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(net.weight)
    return net


def test_a_phase_trains_every_epoch_and_is_scored_at_its_end(net):
    phase = make(net)
    result = run_phase(phase)
    assert phase.loop.batches.asked == [0, 1, 2, 3]
    # The loss is that before the update.
    assert result.curve == [0, -1, -2, -3]
    assert (result.rung, result.stopped, result.card.macro["f1"]) == ("end", False, 4)


def test_rungs_are_told_by_name_with_their_scores(net):
    told = []

    def decide(rung, card):
        told.append((rung, card.macro["f1"]))
        return True

    phase = make(net, rungs=(1, 3), rung_name="after {}".format)
    assert run_phase(phase, decide).curve == [0, -1, -2, -3]
    # The end of the phase is no rung of its own: whoever runs it may ask there.
    assert told == [("after 1", 1), ("after 3", 3)]


def test_a_stopped_phase_has_the_scores_of_its_rung(net):
    result = run_phase(make(net, rungs=(1, 2)), lambda rung, card: rung != "epoch 2")
    assert result.curve == [0, -1]
    assert (result.rung, result.stopped, result.card.macro["f1"]) == ("epoch 2", True, 2)


def test_the_averaged_weights_are_scored_and_the_others_trained(net):
    plain = nn.Linear(1, 1, bias=False)
    plain.load_state_dict(net.state_dict())
    scored = []

    def decide(rung, card):
        scored.append(card.macro["f1"])
        return True

    result = run_phase(make(net, polyak=0.5, rungs=(1, 2)), decide)
    unscored = run_phase(make(plain, polyak=0.5))
    assert result.curve == unscored.curve == [0, -1, -2, -3]
    assert scored[1] < 2
    # It ends with the average, which is what the last score is of.
    assert result.card.macro["f1"] == net.weight.item() == plain.weight.item() < 4


def test_times_are_told_in_the_order_in_which_they_are_spent(net):
    laps = []
    run_phase(make(net, epochs=2, rungs=(1,)), lap=laps.append)
    assert laps == ["counting", "score", "counting", "score"]


def test_the_learning_rate_follows_the_step_of_the_whole_phase(net):
    steps = []

    def scale(step):
        steps.append(step)
        return 0.5

    assert run_phase(make(net, scale=scale)).card.macro["f1"] == 2
    assert steps == [0, 1, 2, 3]


def drawing(net, drawn):
    def loss(batch):
        drawn.append(torch.rand(1).item())
        return -net.weight.sum()

    return loss


def test_the_seed_decides_what_is_random_in_each_epoch(net):
    draws = []
    for seed in (3, 3, 4):
        drawn = []
        torch.rand(len(draws) + 1)
        state = torch.get_rng_state()
        run_phase(make(net, drawing(net, drawn), seed=seed, rungs=(1,)))
        assert torch.equal(torch.get_rng_state(), state)
        draws.append(drawn)
    assert draws[0] == draws[1] != draws[2]
    assert len(set(draws[0])) == 4


def test_without_a_seed_the_callers_random_numbers_are_used(net):
    drawn = []
    torch.manual_seed(0)
    run_phase(make(net, drawing(net, drawn)))
    torch.manual_seed(0)
    assert drawn == [torch.rand(1).item() for _ in range(4)]


def test_a_phase_that_is_not_scored_ends_with_the_same_weights(net):
    scored = nn.Linear(1, 1, bias=False)
    scored.load_state_dict(net.state_dict())
    expected = run_phase(make(scored, polyak=0.5, seed=0))
    never = make(net, polyak=0.5, seed=0, rungs=(1,), score=None)
    assert train_phase(never) == expected.curve
    assert net.weight.item() == scored.weight.item()


@pytest.mark.parametrize("train", [run_phase, train_phase])
def test_a_loss_that_is_not_finite_ends_the_phase(net, train):
    with pytest.raises(DivergedError, match="in epoch 0"):
        train(make(net, lambda batch: float("nan") * net.weight.sum()))


def test_a_loss_that_does_not_fall_ends_the_training(net):
    phase = make(net, loss=lambda batch: net.weight.sum() * 0 + 1, epochs=9)
    with pytest.raises(StalledError, match="not fallen for 3 epochs"):
        run_phase(phase, patience=3)
    assert phase.loop.batches.asked == [0, 1, 2, 3]


def test_a_loss_that_falls_is_given_its_time(net):
    assert len(run_phase(make(net, epochs=9), patience=1).curve) == 9


def test_a_loss_that_grows_without_bounds_has_diverged(net):
    nn.init.ones_(net.weight)
    # At a learning rate of 1, each update multiplies the weight by -9.
    phase = make(net, loss=lambda batch: 5 * net.weight.square().sum(), epochs=9)
    with pytest.raises(DivergedError, match=r"the loss grew from 5 to 3\.28e"):
        run_phase(phase)
