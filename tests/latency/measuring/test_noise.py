from __future__ import annotations

import random

import pytest

from latency.engines.clocks import Timing
from latency.measuring.noise import Noise, median_interval, noise_of, quantile
from latency.measuring.sampling import Samples


def timings(values: list[float]) -> tuple[Timing, ...]:
    return tuple(Timing(value, value) for value in values)


def noise(candidate: list[float], reference: list[float]) -> Noise:
    return noise_of(Samples(timings(candidate), timings(reference), timings(reference)))


def test_equal_runs_are_quiet():
    assert noise([5.0] * 20, [1.0] * 20) == Noise(0.0, 0.0, 0.0)
    assert Noise(0.0, 0.0, 0.0).level == 0


def test_the_interval_is_half_its_width_over_the_median():
    # Ranks 6 and 15 of 20 are 106 and 115, the median is 110.5.
    found = noise([float(value) for value in range(101, 121)], [1.0] * 20)
    assert found.interval == pytest.approx(4.5 / 110.5)


@pytest.mark.parametrize(("late", "drift"), [(1.2, 0.2), (0.9, -0.1)])
def test_drift_compares_the_halves_of_the_reference(late, drift):
    assert noise([5.0] * 20, [1.0] * 10 + [late] * 10).drift == pytest.approx(drift)


def test_unrest_is_what_the_median_is_above_the_lower_decile():
    reference = [1.0, 1.3] * 3 + [1.3] * 14
    assert noise([5.0] * 20, reference).unrest == pytest.approx(0.3)


def test_a_known_quiet_time_shows_a_neighbour_that_never_rests():
    samples = Samples(timings([5.0] * 20), timings([1.3] * 20), timings([1.3] * 20))
    assert noise_of(samples).unrest == 0
    assert noise_of(samples, reference_ms=1.0).unrest == pytest.approx(0.3)
    assert noise_of(samples, reference_ms=2.0).unrest == 0


@pytest.mark.parametrize(
    ("found", "level"),
    [
        (Noise(0.03, 0.0, 0.0), 1.0),
        (Noise(0.0, -0.10, 0.0), 2.0),
        (Noise(0.0, 0.0, 0.05), 0.5),
        (Noise(0.06, 0.05, 0.1), 2.0),
    ],
)
def test_the_worst_share_of_its_limit_is_the_level(found, level):
    assert found.level == pytest.approx(level)


def test_noise_is_told_in_words():
    assert str(Noise(0.034, -0.02, 0.123)) == (
        "the median is known to ±3.4%, the reference network drifted by -2.0% and ran 12.3% above "
        "its quiet level"
    )


@pytest.mark.parametrize(
    ("count", "ranks"),
    [(6, (1, 6)), (10, (2, 9)), (20, (6, 15)), (30, (10, 21)), (100, (40, 61))],
)
def test_ranks_are_those_of_the_tables_for_95_percent(count, ranks):
    assert median_interval(list(range(1, count + 1))) == ranks


@pytest.mark.parametrize("values", [[4.0], [4.0, 1.0, 2.0]])
def test_too_few_values_give_their_extremes(values):
    assert median_interval(values) == (min(values), max(values))


def test_more_confidence_needs_a_wider_interval():
    assert median_interval(list(range(1, 31)), 0.99) == (8, 23)


def test_the_order_of_the_values_does_not_matter():
    values = [float(value) for value in range(20)]
    shuffled = random.Random(0).sample(values, 20)
    assert median_interval(shuffled) == median_interval(values)


def test_the_interval_covers_the_median_as_often_as_it_says():
    rng = random.Random(0)
    covered = 0
    for _ in range(2000):
        low, high = median_interval([rng.expovariate(1.0) for _ in range(20)])
        covered += low <= 0.6931471805599453 <= high
    # The binomial gives 95.86 %; three standard deviations are 1.3 %.
    assert 0.945 < covered / 2000 < 0.972


def test_quantiles_lie_between_neighbours():
    assert quantile([1.0, 2.0, 3.0, 4.0, 5.0], 0.9) == pytest.approx(4.6)
