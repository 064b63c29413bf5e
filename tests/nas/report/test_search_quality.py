from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hand_made import failed, record

from nas.report.runs import Snapshot
from nas.report.search_quality import SearchQuality, search_quality
from nas.searching.config import SearchConfig
from nas.searching.sections import ControllerSettings, RewardSettings

PLAIN = RewardSettings()
PENALISED = RewardSettings.model_validate(
    {"penalties": [{"cost": "flops", "base": 10.0, "exponent": -1.0}]}
)


def _quality(records, settings=PENALISED):
    config = SearchConfig(reward=settings)
    return search_quality(Snapshot(Path("demo"), config, "demo", 24, tuple(records)))


def test_the_best_is_known_by_quality_and_by_reward() -> None:
    found = _quality([record(0, 0.6, flops=10.0), record(1, 0.8, flops=20.0), failed(2)])
    assert found.best is not None and found.best.number == 1
    assert found.best_reward is not None and found.best_reward.number == 0
    assert found.course.trials.tolist() == [0, 1]
    assert found.course.best["quality"].tolist() == [0.6, 0.8]
    assert found.course.best["reward"] == pytest.approx([0.6, 0.6])


def test_the_first_of_equals_is_the_best() -> None:
    found = _quality([record(0, 0.5), record(1, 0.8), record(2, 0.8)])
    assert found.best is not None and found.best.number == 1


def test_the_hypervolume_is_that_of_quality_and_every_penalised_cost() -> None:
    penalties = [{"cost": "flops", "base": 1.0}, {"cost": "params", "base": 1.0}]
    records = [
        record(0, 0.5, costs={"flops": 10.0, "params": 4.0}),
        record(1, 0.8, costs={"flops": 20.0, "params": 2.0}),
    ]
    course = _quality(records, RewardSettings.model_validate({"penalties": penalties})).course
    assert course.references == pytest.approx({"flops": 22.0, "params": 4.4})
    # 0.5 up to 10 FLOPs below the reference of 22, then also 0.8 below 2.
    assert course.hypervolume["flops"] == pytest.approx([6 / 22, 6.6 / 22])
    assert course.hypervolume["params"] == pytest.approx([0.5 * 0.4 / 4.4, 0.8 * 2.4 / 4.4])


def test_without_penalties_there_is_no_reward_and_flops_are_the_cost() -> None:
    found = _quality([record(0, 0.5)], PLAIN)
    assert found.best_reward is None
    assert list(found.course.best) == ["quality"]
    assert found.course.hypervolume["flops"] == pytest.approx([0.5 * 0.1 / 1.1])


def test_without_penalties_the_hypervolume_is_over_the_limited_cost() -> None:
    config = SearchConfig(reward=PLAIN, limits={"params": 8.0})
    records = (record(0, 0.5, costs={"flops": 10.0, "params": 4.0}),)
    course = search_quality(Snapshot(Path("demo"), config, "demo", 24, records)).course
    assert list(course.hypervolume) == ["params"]
    assert course.hypervolume["params"] == pytest.approx([0.5 * 0.1 / 1.1])


def test_without_any_known_cost_there_is_no_hypervolume() -> None:
    found = _quality([record(0, 0.5, costs={"latency": 1.0})], PLAIN)
    assert found.course.hypervolume == {}


def test_what_was_cut_short_is_not_the_best_and_on_no_front() -> None:
    stopped = {"rungs": {"early": 0.9}, "stopped": True}
    found = _quality([record(0, **stopped), record(1, 0.4), record(2, **stopped)])
    assert found.best is not None and found.best.number == 1
    assert found.best_reward is not None and found.best_reward.number == 1
    assert np.isnan(found.course.best["quality"][0])
    assert found.course.best["quality"][1:].tolist() == [0.4, 0.4]
    volumes = found.course.hypervolume["flops"]
    assert volumes[0] == 0 and volumes[1] == volumes[2] > 0
    assert (found.candidates, found.stopped) == (3, {"early": 2})


def test_repeats_are_counted_where_they_happened() -> None:
    records = [record(n, duplicate_of=0 if n in (2, 3) else None) for n in range(4)]
    found = _quality(records)
    assert found.repeats == 0.5
    assert found.course.repeats.tolist() == [False, False, True, True]
    assert found.candidates == 2


@pytest.mark.parametrize("settings", [PLAIN, PENALISED])
@pytest.mark.parametrize("records", [[], [failed(0)]])
def test_a_search_that_has_found_nothing_yet(records, settings) -> None:
    found = _quality(records, settings)
    assert (found.best, found.best_reward, found.repeats) == (None, None, 0.0)
    assert (found.candidates, found.stopped, found.correlations) == (0, {}, ())
    assert len(found.course.trials) == 0


def test_a_search_of_which_all_was_cut_short() -> None:
    found = _quality([record(0, rungs={"early": 0.9}, stopped=True)])
    assert (found.best, found.candidates) == (None, 1)
    assert found.course.hypervolume["flops"].tolist() == [0.0]


def test_every_finished_trial_tells_how_well_early_scores_predict() -> None:
    records = [record(n, rungs={"early": n, "late": n / 2}) for n in range(8)]
    (found,) = _quality(records).correlations
    assert (found.kendall, found.spearman) == pytest.approx((1.0, 1.0))


def _with_controller(name: str, qualities: list[float]) -> SearchQuality:
    config = SearchConfig(reward=PLAIN, controller=ControllerSettings(name=name))
    records = tuple(record(number, quality) for number, quality in enumerate(qualities))
    return search_quality(Snapshot(Path("demo"), config, "demo", 24, records))


def test_a_search_that_learns_nothing_is_told_by_its_thirds() -> None:
    better = _with_controller("reinforce", [0.1, 0.3, 0.2, 0.9, 0, 0, 0.4, 0.3, 0.5, 0.6])
    assert better.thirds is not None
    assert (better.thirds.figure, better.thirds.improved) == ("quality", True)
    assert (better.thirds.first, better.thirds.last) == pytest.approx((0.2, 1.4 / 3))
    same = _with_controller("reinforce", [0.5] * 9).thirds
    assert same is not None and not same.improved


def test_thirds_are_told_of_no_random_search_and_of_no_short_one() -> None:
    assert _with_controller("random", [0.5] * 9).thirds is None
    assert _with_controller("reinforce", [0.5] * 8).thirds is None


def test_thirds_compare_the_reward_where_there_is_one() -> None:
    records = [record(number, 0.5, flops=10.0 * (number + 1)) for number in range(9)]
    thirds = _quality(records).thirds
    assert thirds is not None and thirds.figure == "reward" and not thirds.improved
