from __future__ import annotations

import math

import pytest
import torch

from nas.training.schedule import Schedule, factor

NAMES = ("constant", "cosine", "poly")


@pytest.mark.parametrize("name", NAMES)
def test_the_warm_up_rises_to_one_and_is_never_zero(name):
    assert [factor(name, step, 12, 4) for step in range(5)] == [0.25, 0.5, 0.75, 1, 1]


@pytest.mark.parametrize(
    ("name", "step", "value"),
    [
        ("constant", 11, 1.0),
        ("cosine", 8, 0.5),
        ("cosine", 11, 0.5 * (1 + math.cos(math.pi * 7 / 8))),
        ("poly", 8, 0.5**0.9),
        ("poly", 11, 0.125**0.9),
    ],
)
def test_values_after_the_warm_up(name, step, value):
    assert factor(name, step, 12, 4) == pytest.approx(value)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("total", "warmup"), [(1, 0), (1, 1), (10, 0), (10, 3), (10, 10)])
def test_no_step_has_a_factor_of_zero_and_none_is_above_one(name, total, warmup):
    factors = [factor(name, step, total, warmup) for step in range(total)]
    assert all(0 < value <= 1 for value in factors)
    assert factors[0] == (1 / warmup if warmup else 1)


@pytest.mark.parametrize("name", ["cosine", "poly"])
def test_after_the_warm_up_the_factor_falls(name):
    factors = [factor(name, step, 20, 5) for step in range(5, 20)]
    assert factors == sorted(factors, reverse=True)
    assert len(set(factors)) == 15


@pytest.mark.parametrize("step", [-1, 12, 13])
def test_a_step_out_of_the_schedule_is_refused(step):
    with pytest.raises(ValueError, match=f"step {step} is not in a schedule of 12 steps"):
        factor("cosine", step, 12)


def test_a_schedule_is_asked_for_steps_of_the_whole_training():
    schedule = Schedule("cosine", epochs=3, warmup=1 / 3)
    expected = [factor("cosine", step, 12, 4) for step in range(12)]
    assert [schedule.factor(step, 4) for step in range(12)] == expected


def test_a_schedule_with_milestones_lowers_the_rate_at_each():
    schedule = Schedule("step", epochs=4, warmup=0.25, milestones=(0.5, 0.75), gamma=0.1)
    rates = [schedule.factor(step, 2) for step in range(8)]
    assert rates == pytest.approx([0.5, 1, 1, 1, 0.1, 0.1, 0.01, 0.01])


def test_a_cosine_of_cycles_falls_and_rises_as_torch_has_it():
    schedule = Schedule("cosine", epochs=7, cycle_epochs=2)
    weight = torch.nn.Parameter(torch.zeros(1))
    optimiser = torch.optim.SGD([weight], lr=1.0)
    theirs = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, T_max=6)
    for step in range(21):
        assert schedule.factor(step, 3) == pytest.approx(theirs.get_last_lr()[0], abs=1e-6)
        optimiser.step()
        theirs.step()
