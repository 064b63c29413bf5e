from __future__ import annotations

from collections.abc import Iterable

import pytest

from latency.engines.clocks import Timing
from latency.measuring.sampling import Samples, quietest, repeats_for, sample, warm_up


def scripted(times: Iterable[float], log: list[str] | None = None, name: str = ""):
    remaining = iter(times)

    def run() -> Timing:
        if log is not None:
            log.append(name)
        ms = next(remaining)
        return Timing(ms, 2 * ms)

    return run


def forever(ms: float):
    return lambda: Timing(ms, ms)


def test_a_steady_network_is_warm_after_two_windows():
    assert len(warm_up(forever(3.0), forever(1.0), fewest=1)) == 10


def test_warm_up_goes_on_while_times_fall():
    falling = [100.0 * 0.9**run for run in range(30)]
    steady = [falling[-1]] * 100
    times = warm_up(scripted(falling + steady), forever(1.0), fewest=1)
    assert 30 < len(times) <= 40
    assert times[:30] == falling


def test_warm_up_ends_even_if_times_fall_for_ever():
    endless = (100.0 * 0.9**run for run in range(1000))
    assert len(warm_up(scripted(endless), forever(1.0), fewest=1)) == 100


def test_warm_up_makes_the_runs_asked_for():
    assert len(warm_up(forever(3.0), forever(1.0), fewest=130)) == 130


def test_single_slow_runs_do_not_prolong_the_warm_up():
    times = [3.0] * 3 + [9.0] * 2 + [3.0] * 10
    assert len(warm_up(scripted(times), forever(1.0), fewest=1)) == 10


def test_the_networks_take_turns():
    log: list[str] = []
    candidate = scripted([10.0, 11.0, 12.0], log, "candidate")
    reference = scripted([1.0, 2.0, 3.0, 4.0], log, "reference")
    samples = sample(candidate, reference, runs=3)
    assert log == ["reference", "candidate"] * 3 + ["reference"]
    assert [timing.ms for timing in samples.candidate] == [10.0, 11.0, 12.0]
    assert [timing.wall_ms for timing in samples.reference] == [2.0, 4.0, 6.0]
    assert [timing.wall_ms for timing in samples.after] == [4.0, 6.0, 8.0]
    assert samples.ratios() == pytest.approx([10 / 1.5, 11 / 2.5, 12 / 3.5])


def test_short_runs_are_timed_several_in_a_row():
    assert repeats_for([50.0, 0.3, 0.3, 0.3, 0.3, 0.3]) == 4
    assert repeats_for([7.0] * 5) == 1


def samples(candidate: list[float], reference: list[float], after: list[float]) -> Samples:
    runs = (tuple(Timing(ms, ms) for ms in times) for times in (candidate, reference, after))
    return Samples(*runs)


def test_the_quietest_runs_are_those_between_fast_runs_of_the_reference():
    turns = [1.0, 1.01, 1.3, 1.02, 1.1, 1.03, 1.04]
    every = samples([50.0, 51.0, 52.0, 53.0, 54.0, 55.0], turns[:-1], turns[1:])
    # The run of 51 ms came before a slow run of the reference, that of 52 ms after it.
    assert quietest(every, 2) == samples([50.0, 55.0], [1.0, 1.03], [1.01, 1.04])
    assert quietest(every, 6) == every
    assert every.last(2) == samples([54.0, 55.0], [1.1, 1.03], [1.03, 1.04])


def test_a_fast_run_is_not_chosen_for_being_fast():
    every = samples([5.0, 4.0, 5.0, 5.0], [1.0, 1.5, 1.0, 1.0], [1.5, 1.0, 1.0, 1.0])
    assert quietest(every, 2) == samples([5.0, 5.0], [1.0, 1.0], [1.0, 1.0])


def test_later_runs_join_earlier_ones():
    joined = samples([5.0], [1.0], [1.2]).joined(samples([6.0], [1.1], [1.3]))
    assert joined == samples([5.0, 6.0], [1.0, 1.1], [1.2, 1.3])
    assert len(joined) == 2
