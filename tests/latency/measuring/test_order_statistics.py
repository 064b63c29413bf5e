from __future__ import annotations

import random

import pytest

from latency.measuring.order_statistics import median_interval, quantile


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
