from __future__ import annotations

import math

import numpy as np
import pytest

from nas.search.rank_correlation import kendall_tau_b, spearman

RANKINGS = [
    # Five of six pairs agree: (5 - 1) / 6, and 1 - 6 · 2 / (4 · 15).
    ([1, 2, 3, 4], [1, 3, 2, 4], 2 / 3, 0.8),
    ([1, 2, 3, 4], [4, 3, 2, 1], -1.0, -1.0),
    # One pair is tied in each row, four of the other four agree: 4 / √(5 · 5). The ranks are
    # 1, 2.5, 2.5, 4 and 1.5, 1.5, 3, 4: 3.75 / √(4.5 · 4.5).
    ([1, 2, 2, 3], [1, 1, 2, 3], 0.8, 3.75 / 4.5),
    # Ties in one row only: 5 of 5 untied pairs agree, √(5 · 6) below. Ranks 1, 2.5, 2.5, 4.
    ([1, 2, 2, 3], [1, 2, 3, 4], 5 / math.sqrt(30), 4.5 / math.sqrt(4.5 * 5)),
    # Of two values each: two pairs agree, two disagree, one of each is tied in both.
    ([0, 0, 1, 1], [0, 1, 0, 1], 0.0, 0.0),
]


@pytest.mark.parametrize(("first", "second", "kendall", "rho"), RANKINGS)
def test_rankings_agree_as_far_as_counted_by_hand(first, second, kendall, rho) -> None:
    assert kendall_tau_b(first, second) == pytest.approx(kendall)
    assert spearman(first, second) == pytest.approx(rho)


@pytest.mark.parametrize("measure", [kendall_tau_b, spearman])
def test_only_the_order_counts(measure) -> None:
    rng = np.random.default_rng(0)
    x = rng.integers(1, 9, 40)
    y = x + rng.integers(0, 6, 40)
    assert measure(x, y) == pytest.approx(measure(np.exp(x), np.sqrt(y)))
    assert measure(x, y) == pytest.approx(measure(y, x))
    assert measure(x, y) == pytest.approx(-measure(x, -y))


@pytest.mark.parametrize("measure", [kendall_tau_b, spearman])
@pytest.mark.parametrize("row", [[], [1.0], [2.0, 2.0, 2.0]])
def test_what_cannot_be_ranked_has_no_correlation(measure, row) -> None:
    assert math.isnan(measure(row, list(range(len(row)))))


@pytest.mark.parametrize("measure", [kendall_tau_b, spearman])
@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        ([1.0, 2.0], [1.0], r"equal length .* \(2,\) and \(1,\)"),
        ([[1.0]], [[1.0]], r"\(1, 1\)"),
        ([1.0, math.nan], [1.0, 2.0], "not a finite number"),
    ],
)
def test_rows_that_do_not_belong_together_are_refused(measure, first, second, message) -> None:
    with pytest.raises(ValueError, match=message):
        measure(first, second)
