from __future__ import annotations

import pytest
import torch
from torch import nn

from nas.errors import UserError
from nas.training.loop import Batch, Loop
from nas.training.schedule import Schedule
from nas.training.trainer import Monitor, Training, run
from nas.training.update import Group, Update


class Stop(BaseException):
    """What a signal is to a test."""


class OneBatch:
    def __len__(self):
        return 1

    def epoch(self, index):
        yield Batch(torch.ones(1), torch.zeros(1))


def training(net, table, **options):
    """A training of a counter, whose scores follow a table of one row per epoch."""
    rows = iter(table)
    loop = Loop(net, OneBatch(), lambda batch: -net.weight.sum(), Update([Group(net, "sgd", 1.0)]))
    return Training(
        network=net,
        loop=loop,
        schedule=Schedule("constant", len(table)),
        scores=lambda: next(rows),
        seed=0,
        **{"identity": "counter"} | options,
    )


@pytest.fixture
def net():
    net = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(net.weight)
    return net


TABLE = [
    {"accuracy": 0.9, "loss": 3.0},
    {"accuracy": 0.5, "loss": 1.0},
    {"accuracy": 0.7, "loss": 2.0},
]
BOTH = (Monitor("accuracy"), Monitor("loss", smaller_is_better=True))


def test_every_monitor_keeps_the_weights_of_its_own_best_epoch(net):
    seen = []
    result = run(
        training(net, TABLE, monitors=BOTH), on_epoch=lambda r: seen.append(net.weight.item())
    )
    assert result.weights["accuracy"]["weight"].item() == seen[0]
    assert result.weights["loss"]["weight"].item() == seen[1]
    # The first monitor decides what the network ends with.
    assert net.weight.item() == seen[0]
    assert (result.best.epoch, result.best.score) == (0, 0.9)
    assert [record.improved for record in result.history] == [
        ("accuracy", "loss"),
        ("loss",),
        (),
    ]


def test_epochs_of_the_burn_in_are_not_taken_for_the_best(net):
    result = run(training(net, TABLE, monitors=BOTH, burn_in=1))
    assert [record.improved for record in result.history] == [
        (),
        ("accuracy", "loss"),
        ("accuracy",),
    ]
    assert result.best.epoch == 2


def test_patience_counts_the_epochs_since_the_best_of_the_first_monitor(net):
    result = run(training(net, TABLE, monitors=BOTH, patience=1))
    assert len(result.history) == 2


def test_patience_does_not_run_out_during_the_burn_in(net):
    table = [{"accuracy": a} for a in (0.9, 0.8, 0.5, 0.4, 0.3)]
    result = run(training(net, table, monitors=BOTH[:1], patience=1, burn_in=2))
    assert [record.epoch for record in result.history] == [0, 1, 2, 3]
    assert result.best.epoch == 2


def test_the_training_loss_can_be_monitored(net):
    result = run(training(net, [{}, {}], monitors=(Monitor("train_loss", smaller_is_better=True),)))
    assert [record.score for record in result.history] == [record.loss for record in result.history]
    assert result.best.epoch == 1


def test_a_resumed_training_remembers_what_was_best_for_every_monitor(net, tmp_path):
    def stop(record):
        if record.epoch == 1:
            raise Stop

    path = tmp_path / "state.pt"
    with pytest.raises(Stop):
        run(training(net, TABLE, monitors=BOTH), path, stop)
    again = nn.Linear(1, 1, bias=False)
    resumed = training(again, TABLE, monitors=BOTH)
    rest = iter(TABLE[2:])
    object.__setattr__(resumed, "scores", lambda: next(rest))
    result = run(resumed, path)
    assert [record.improved for record in result.history] == [("accuracy", "loss"), ("loss",), ()]
    assert result.weights["accuracy"]["weight"].item() == again.weight.item() == 1.0
    assert result.weights["loss"]["weight"].item() == pytest.approx(2.9)  # momentum 0.9


def cut_off(net, path, **options):
    """A training that ends after its first epoch."""

    def stop(record):
        raise Stop

    with pytest.raises(Stop):
        run(training(net, TABLE, monitors=BOTH, **options), path, stop)


def test_a_checkpoint_of_the_former_identity_resumes(net, tmp_path):
    path = tmp_path / "state.pt"
    cut_off(net, path, identity="old")
    new = {"identity": "new", "former_identity": "old"}
    resumed = run(training(nn.Linear(1, 1, bias=False), TABLE[1:], monitors=BOTH, **new), path)
    assert [record.epoch for record in resumed.history] == [0, 1]
    # From now on it has the new one.
    assert torch.load(path, weights_only=True)["training"] == "new"


def test_a_checkpoint_of_any_other_identity_is_refused(net, tmp_path):
    path = tmp_path / "state.pt"
    cut_off(net, path, identity="other")
    new = {"identity": "new", "former_identity": "old"}
    with pytest.raises(UserError, match=r"state\.pt: this checkpoint belongs to a training with"):
        run(training(net, TABLE, monitors=BOTH, **new), path)
