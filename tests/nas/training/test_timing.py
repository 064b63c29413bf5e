"""Trainings that are given a time."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from nas.errors import UserError
from nas.training import timing
from nas.training.loop import Batch, Loop
from nas.training.schedule import Schedule
from nas.training.timing import epochs_within
from nas.training.trainer import Monitor, Training, run
from nas.training.update import Group, Update


class Stop(BaseException):
    """What a signal is to a test."""


class Clock:
    """Tells a time that passes only where a test says so."""

    now = 0.0

    def monotonic(self):
        return self.now


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(timing, "time", clock)
    return clock


class Batches:
    """Batches that take a known time."""

    def __init__(self, number: int, clock=None, seconds: float = 0.0):
        self.number, self.clock, self.seconds, self.given = number, clock, seconds, 0

    def __len__(self):
        return self.number

    def epoch(self, index):
        for _ in range(self.number):
            if self.clock:
                self.clock.now += self.seconds
            self.given += 1
            yield Batch(torch.ones(1), torch.zeros(1))


@pytest.fixture
def net():
    net = nn.Sequential(nn.Linear(1, 1, bias=False), nn.BatchNorm1d(1))
    nn.init.ones_(net[0].weight)
    return net


def training(net, batches, **options):
    """A training with momentum and an average, both of which a timing could spoil."""
    update = Update([Group(net, "sgd", 0.1)], polyak=0.9)
    loop = Loop(
        net, batches, lambda batch: net(torch.tensor([[1.0], [3.0]])).square().sum(), update
    )
    made = Training(
        network=net,
        loop=loop,
        schedule=Schedule("cosine", 3, warmup=0.1),
        scores=lambda: {"accuracy": net[0].weight.item()},
        monitors=(Monitor("accuracy"),),
        identity="timed",
        seed=0,
    )
    return replace(made, **options)


def test_as_many_epochs_are_planned_as_fit_into_the_time(net, clock):
    def scores():
        clock.now += 1.0
        return {"accuracy": 0.0}

    # 40 batches of .1 s and a second of scoring: an epoch takes 5 s.
    made = training(net, Batches(40, clock, 0.1), scores=scores)
    assert epochs_within(made, 26) == 5


def test_a_long_epoch_is_judged_by_its_first_steps(net, clock):
    batches = Batches(10_000, clock, 0.1)
    assert epochs_within(training(net, batches), 3001) == 3
    assert batches.given == 10


def test_at_least_one_epoch_is_planned(net, clock):
    assert epochs_within(training(net, Batches(3, clock, 1.0)), 1) == 1


def test_too_little_time_for_the_burn_in_is_refused(net, clock):
    with pytest.raises(UserError, match=r"takes about 3.0 s, .* burn_in of 2 leaves none"):
        epochs_within(training(net, Batches(3, clock, 1.0), burn_in=2), 7)


def test_timing_changes_nothing_of_the_training(clock):
    def trained(timed):
        own = nn.Sequential(nn.Linear(1, 1, bias=False), nn.BatchNorm1d(1))
        nn.init.ones_(own[0].weight)
        made = training(own, Batches(12, clock, 1.0))
        if timed:
            epochs_within(made, 30.0)
        return run(made), own.state_dict()

    (plain, weights), (timed, same) = trained(False), trained(True)
    assert timed.history == plain.history
    assert all(torch.equal(weights[key], same[key]) for key in weights)


def test_a_training_that_is_given_a_time_plans_its_schedule_by_it(net, clock):
    told = []
    result = run(training(net, Batches(2, clock, 1.0), seconds=10.0, say=told.append))
    assert [record.planned for record in result.history] == [5] * 5
    assert told == ["10.0 s are enough for about 5 epochs here"]


def test_a_resumed_training_keeps_the_number_of_its_epochs(net, clock, tmp_path):
    def stop(record):
        raise Stop

    path = tmp_path / "state.pt"
    with pytest.raises(Stop):
        run(training(net, Batches(2, clock, 1.0), seconds=10.0), path, stop)
    # On a machine that has become slower, the number would be another.
    slower = training(net, Batches(2, clock, 2.0), seconds=10.0)
    assert len(run(slower, path).history) == 5
