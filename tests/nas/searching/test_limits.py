"""Limits of a search: what is beyond them, and what is said before it starts."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import search_fakes as fakes

from nas.errors import UserError
from nas.evaluation.evaluation import EvaluationError
from nas.searching.limits import Breach, breaches, check_limits, strictest
from search_spaces.genotype import Genotype


def _flops(genotype: Genotype) -> dict[str, float]:
    left, right, _ = genotype.value
    return {"flops": 1.0 + left * right, "params": 10.0}


def _said(limits: dict[str, float], costs: Callable[[Genotype], dict[str, float]]) -> list[str]:
    said: list[str] = []
    check_limits(fakes.config(limits=limits), fakes.PairSpace(), costs, said.append)
    return said


def test_a_candidate_at_its_limit_is_within() -> None:
    costs = {"flops": 7.0, "latency": 5.0}
    assert breaches(costs, {"latency": 5.0}) == {}
    assert breaches(costs, {"latency": 4.5, "flops": 8.0}) == {"latency": Breach(4.5, 5.0)}


def test_a_limit_of_an_unknown_cost_names_the_known_ones() -> None:
    with pytest.raises(UserError, match="no cost 'watts' to limit; known: flops, params"):
        breaches({"flops": 1.0, "params": 2.0}, {"watts": 1.0})


def test_the_limit_that_is_exceeded_most_often_is_named_with_the_smallest_cost() -> None:
    limits = {"params": 1e6, "latency": 5.0}
    costs = [{"params": 2e6, "latency": 6.5}, {"params": 1.0, "latency": 6.1}]
    assert strictest([breaches(known, limits) for known in costs], costs) == (
        "the limit of latency (5 ms) is exceeded most often, and the smallest latency seen is "
        "6.1 ms"
    )


def test_the_share_within_the_limits_is_told() -> None:
    (sentence,) = _said({"flops": 433.0}, _flops)
    share = float(sentence.partition("%")[0])
    whole = sum(1 + left * right <= 433 for left in range(50) for right in range(50)) / 2500
    assert sentence.endswith("% of 200 sampled candidates are within the limits")
    # Three standard deviations of a sample of 200.
    assert share / 100 == pytest.approx(whole, abs=3 * (whole * (1 - whole) / 200) ** 0.5)


def test_nothing_is_counted_without_limits() -> None:
    def never(genotype: Genotype) -> dict[str, float]:
        raise AssertionError

    assert _said({}, never) == []


def test_limits_that_nothing_is_within_are_refused() -> None:
    match = r"none of 200 .*: the limit of params \(5\) is .* smallest params seen is 10; raise"
    with pytest.raises(UserError, match=match):
        _said({"params": 5.0, "flops": 1000.0}, _flops)


def test_candidates_without_known_costs_are_passed_over() -> None:
    def odd(genotype: Genotype) -> dict[str, float]:
        if genotype.value[0] % 2:
            raise EvaluationError("no row")
        return {"flops": 1.0}

    def none(genotype: Genotype) -> dict[str, float]:
        raise EvaluationError("no row")

    (sentence,) = _said({"flops": 2.0}, odd)
    assert sentence.startswith("100.0% of ")
    assert "of 200 " not in sentence
    with pytest.raises(UserError, match="none of 200 sampled candidates has known costs: no row"):
        _said({"flops": 2.0}, none)


@pytest.mark.parametrize("limit", [0, -1, float("inf"), float("nan")])
def test_a_limit_is_a_number_above_0(limit: float) -> None:
    with pytest.raises(ValueError, match="the limit of flops must be a number above 0"):
        fakes.config(limits={"flops": limit})
