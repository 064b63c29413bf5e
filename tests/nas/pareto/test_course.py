from __future__ import annotations

import numpy as np
import pytest

from nas.pareto.course import Outcomes, course_of, latest_share, reference_cost
from nas.pareto.objectives import ParetoError

NAN = float("nan")


def outcomes(quality, flops, name="demo", **changes):
    count = len(quality)
    values = {"quality": np.array(quality, float), "flops": np.array(flops, float)}
    numbers, none = np.arange(count), np.zeros(count, bool)
    return Outcomes(
        **{"name": name, "trials": numbers, "values": values, "repeats": none} | changes
    )


def volumes(found, reference=None):
    reference = reference_cost([found], "flops") if reference is None else reference
    return course_of(found, (), {"flops": reference}).hypervolume["flops"]


def test_the_best_so_far_never_falls_and_passes_over_what_does_not_count() -> None:
    found = outcomes([NAN, 0.5, NAN, 0.3, 0.7, 0.6], [1.0] * 6)
    best = course_of(found, ("quality",), {}).best["quality"]
    np.testing.assert_equal(best, [NAN, 0.5, 0.5, 0.5, 0.7, 0.7])


def test_the_hypervolume_is_that_of_the_trials_so_far() -> None:
    # At a reference cost of 20: 0.5 · 10, then 0.2 · 5 above it, then nothing, then 0.5 · 4 below.
    found = outcomes([0.5, 0.7, 0.4, 0.5, 0.9], [10.0, 15.0, 16.0, 6.0, 30.0])
    assert volumes(found, 20.0) == pytest.approx(np.array([5, 6, 6, 8, 8]) / 20)


def test_what_does_not_count_leaves_the_hypervolume_as_it_is() -> None:
    found = outcomes([NAN, 0.5, NAN, 0.7], [1.0, 10.0, NAN, NAN])
    assert volumes(found, 20.0) == pytest.approx([0.0, 0.25, 0.25, 0.25])


def test_the_hypervolume_is_the_best_quality_within_a_budget_averaged_over_budgets() -> None:
    rng = np.random.default_rng(0)
    quality, flops = rng.uniform(0.2, 0.9, 12), rng.uniform(1, 9, 12)
    found = outcomes(quality, flops)
    reference = reference_cost([found], "flops")
    budgets = (np.arange(20_000) + 0.5) / 20_000 * reference
    affordable = np.where(flops[None] <= budgets[:, None], quality[None], 0.0)
    assert volumes(found)[-1] == pytest.approx(affordable.max(axis=1).mean(), abs=1e-4)


def test_a_further_trial_never_lowers_the_curve() -> None:
    rng = np.random.default_rng(1)
    for _ in range(50):
        quality, flops = rng.uniform(0, 1, 9), rng.lognormal(0, 2, 9)
        # It may finish late and so come anywhere.
        place = rng.integers(9)
        before = volumes(outcomes(np.delete(quality, place), np.delete(flops, place)))
        after = np.delete(volumes(outcomes(quality, flops)), place)
        assert (after >= before - 1e-12).all()


def test_the_reference_cost_is_a_tenth_beyond_the_highest_of_all_that_count() -> None:
    searches = [outcomes([0.5, NAN], [10.0, NAN]), outcomes([0.5], [30.0], "other")]
    assert reference_cost(searches, "flops") == pytest.approx(33.0)
    assert reference_cost(searches[:1], "flops") == pytest.approx(11.0)


@pytest.mark.parametrize("flops", [[], [NAN], [0.0]])
def test_without_any_cost_the_reference_is_1(flops) -> None:
    assert reference_cost([outcomes([0.5] * len(flops), flops)], "flops") == 1.0


def test_what_costs_nothing_is_within_every_budget() -> None:
    assert volumes(outcomes([0.5], [0.0])) == pytest.approx([0.5])


def test_a_search_without_trials_has_empty_curves() -> None:
    course = course_of(outcomes([], []), ("quality",), {"flops": 1.0})
    assert len(course.best["quality"]) == len(course.hypervolume["flops"]) == 0


def test_the_share_of_repeats_is_that_of_the_latest_trials() -> None:
    flags = np.array([False, True, True, False, False, True])
    expected = [0, 1 / 2, 2 / 3, 2 / 3, 1 / 3, 1 / 3]
    assert latest_share(flags, 3) == pytest.approx(expected)
    assert latest_share(flags, 100)[-1] == 0.5
    assert len(latest_share(flags[:0], 3)) == 0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: latest_share(np.zeros(2, bool), 0), "at least one trial, not 0"),
        (lambda: outcomes([0.5], [1.0, 2.0]), "not one figure for every trial"),
        (lambda: outcomes([0.5, 0.6], [1.0, 2.0], trials=np.array([3, 3])), "do not rise"),
        (lambda: course_of(outcomes([0.5], [1.0]), ("reward",), {}), "has no 'reward'"),
        (lambda: volumes(outcomes([0.5], [1.0]), 0.0), "must be above 0, not 0"),
    ],
)
def test_what_cannot_be_followed_is_refused(make, message) -> None:
    with pytest.raises(ParetoError, match=message):
        make()
