from __future__ import annotations

import numpy as np
import pytest

from latency.predicting.calibration import Calibration, _student
from latency.predicting.operator_table import Sum


def networks(number: int, seed: int = 0) -> list[Sum]:
    rng = np.random.default_rng(seed)
    return [Sum(float(rng.uniform(3, 9)), int(rng.integers(60, 300)), 0.0) for _ in range(number)]


def latencies(sums: list[Sum], error: float = 0.0, seed: int = 1) -> list[float]:
    rng = np.random.default_rng([seed, 1])
    return [
        (0.2 + 1.05 * one.milliseconds - 0.004 * one.nodes) * (1 + error * rng.standard_normal())
        for one in sums
    ]


def test_the_line_is_found_again():
    sums = networks(15)
    found = Calibration(sums, latencies(sums))
    assert found.coefficients() == pytest.approx((0.2, 1.05, -0.004), rel=0.05)
    for one, ms in zip(networks(20, seed=5), latencies(networks(20, seed=5)), strict=True):
        assert found.predict(one).ms == pytest.approx(ms, rel=0.005)


def test_intervals_hold_the_share_that_they_promise():
    inside = []
    for seed in range(30):
        sums, others = networks(15, seed), networks(30, seed + 100)
        found = Calibration(sums, latencies(sums, 0.03, seed))
        for one, ms in zip(others, latencies(others, 0.03, seed + 200), strict=True):
            prediction = found.predict(one)
            inside.append(prediction.low_ms <= ms <= prediction.high_ms)
    assert 0.86 <= np.mean(inside) <= 0.96


def test_more_networks_give_narrower_intervals():
    def width(number: int) -> float:
        sums = networks(number)
        prediction = Calibration(sums, latencies(sums, 0.01)).predict(Sum(6.0, 150, 0.0))
        return prediction.high_ms - prediction.low_ms

    assert width(0) > 5 * width(3) > 5 * width(15)


def test_without_networks_the_prediction_is_the_plain_sum():
    prediction = Calibration([], []).predict(Sum(6.0, 150, 0.0))
    assert prediction.ms == pytest.approx(6.0)
    assert prediction.low_ms < 3 and prediction.high_ms > 9


def test_a_network_that_was_disturbed_hardly_counts():
    sums = networks(15)
    measured = latencies(sums, 0.01)
    measured[3] *= 2
    clean, disturbed = Calibration(sums, latencies(sums, 0.01)), Calibration(sums, measured)
    total = Sum(6.0, 150, 0.0)
    assert disturbed.predict(total).ms == pytest.approx(clean.predict(total).ms, rel=0.01)


def test_operators_that_were_guessed_widen_the_interval():
    sums = networks(15)
    found = Calibration(sums, latencies(sums))
    known, guessed = found.predict(Sum(6.0, 150, 0.0)), found.predict(Sum(6.0, 150, 3.0))
    assert guessed.ms == known.ms
    assert (known.guessed, guessed.guessed) == (0.0, 0.5)
    assert guessed.high_ms - guessed.low_ms > 20 * (known.high_ms - known.low_ms)


def test_a_latency_is_never_below_zero():
    sums = [Sum(5.0, 100, 0.0), Sum(9.0, 100, 0.0)]
    prediction = Calibration(sums, [1.0, 9.0]).predict(Sum(0.0, 0, 0.0))
    assert prediction.ms >= 0 and prediction.low_ms >= 0


def test_a_latency_of_zero_is_passed_over():
    sums = networks(5)
    assert Calibration(sums, [0.0, *latencies(sums)[1:]]).networks == 4


@pytest.mark.parametrize(("freedom", "quantile"), [(3, 2.3534), (5, 2.0150), (17, 1.7396)])
def test_quantiles_of_student(freedom, quantile):
    assert _student(freedom) == pytest.approx(quantile, rel=0.03)
