from __future__ import annotations

import math

import pytest

from nas.pareto.candidates import Candidate, Series, front_of, matrix
from nas.pareto.objectives import Objective, ParetoError

QUALITY = Objective("quality", "maximise")
FLOPS = Objective("flops", "minimise")


def candidate(trial: int, quality: float, flops: float) -> Candidate:
    return Candidate(trial, trial, {"flops": flops, "quality": quality})


def test_a_matrix_has_a_column_for_each_objective() -> None:
    candidates = [candidate(0, 0.5, 2e9), candidate(1, 0.6, 3e9)]
    assert matrix(candidates, (QUALITY, FLOPS)).tolist() == [[0.5, 2e9], [0.6, 3e9]]


def test_a_front_holds_the_candidates_themselves() -> None:
    candidates = [candidate(4, 0.6, 3e9), candidate(5, 0.5, 3e9), candidate(6, 0.5, 2e9)]
    best = front_of(candidates, (QUALITY, FLOPS))
    assert [member.trial for member in best] == [6, 4]


def test_a_missing_value_names_trial_and_objective() -> None:
    message = "trial 3 has no 'latency'; it has: flops, quality"
    with pytest.raises(ParetoError, match=message):
        matrix([candidate(3, 0.5, 2e9)], (Objective("latency", "minimise"),))


def test_a_value_that_is_not_finite_names_trial_and_objective() -> None:
    with pytest.raises(ParetoError, match="'quality' of trial 7 is not finite: nan"):
        front_of([candidate(6, 0.5, 2e9), candidate(7, math.nan, 2e9)], (QUALITY, FLOPS))


def test_the_title_is_the_label_or_the_trial() -> None:
    assert candidate(0, 0.5, 2e9).title == "0"
    assert Candidate(0, 0, {}, "baseline 0").title == "baseline 0"


def test_numbers_start_at_zero() -> None:
    with pytest.raises(ParetoError, match="counted from 0, not trial -1"):
        candidate(-1, 0.5, 2e9)


def test_a_search_without_candidates_is_refused() -> None:
    with pytest.raises(ParetoError, match="search 'demo' has no finished trial yet"):
        Series("demo", ())


def test_a_trial_twice_is_refused() -> None:
    with pytest.raises(ParetoError, match="search 'demo' lists trial 2 twice"):
        Series("demo", (candidate(2, 0.5, 2e9), candidate(2, 0.6, 2e9)))


def test_an_objective_without_a_known_direction_is_refused() -> None:
    with pytest.raises(ParetoError, match="unknown direction 'maximize'"):
        Objective("quality", "maximize")  # type: ignore[arg-type]
