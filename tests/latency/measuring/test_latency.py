from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from latency import Latency, Noise, identify
from latency.engines.clocks import Timing
from latency.measuring.latency import figures_of
from latency.measuring.sampling import Samples


def samples(candidate: list[float], reference: list[float]) -> Samples:
    return Samples(
        tuple(Timing(value, 3 * value) for value in candidate),
        tuple(Timing(value, value) for value in reference),
        tuple(Timing(value, value) for value in reference),
    )


def latency_of(**changes: Any) -> Latency:
    figures = figures_of(samples([float(value) for value in range(1, 22)], [2.0] * 21))
    return Latency(
        **figures,
        repeats=1,
        warmup_runs=10,
        attempts=1,
        clock="thread",
        clock_mhz=None,
        provider="CPUExecutionProvider",
        device=identify("cpu"),
        input_shape=(1, 3, 24, 32),
        **changes,
    )


def test_figures_are_those_of_the_runs():
    latency = latency_of()
    assert (latency.min_ms, latency.median_ms, latency.p90_ms) == (1.0, 11.0, 19.0)
    assert (latency.low_ms, latency.high_ms) == (6.0, 16.0)
    assert latency.wall_ms == 33.0
    assert latency.runs == 21


def test_the_ratio_compares_every_run_with_its_neighbours():
    # The machine is half as fast for a while, and single runs are disturbed.
    found = figures_of(samples([8.0] * 8 + [80.0] * 2 + [16.0] * 10, [2.0] * 10 + [4.0] * 10))
    assert (found["ratio"], found["ratio_interval"]) == (4.0, 0.0)
    assert (found["reference_ms"], found["reference_median_ms"]) == (2.0, 3.0)


def test_the_ratio_is_as_sure_as_the_interval_of_its_median():
    found = figures_of(samples([float(value) for value in range(101, 121)], [2.0] * 20))
    # Ranks 6 and 15 of 20, as for the interval of the runs themselves.
    assert found["ratio"] == pytest.approx(55.25)
    assert found["ratio_interval"] == pytest.approx(4.5 / 110.5)


@pytest.mark.parametrize(("interval", "comparable"), [(0.029, True), (0.031, False)])
def test_a_busy_machine_may_give_a_comparable_figure(interval, comparable):
    latency = dataclasses.replace(latency_of(), noise=Noise(0.0, 0.0, 0.4), ratio_interval=interval)
    assert latency.noisy
    assert latency.comparable is comparable


def test_a_slower_machine_is_corrected_by_its_reference():
    quiet = figures_of(samples([8.0] * 20, [2.0] * 20))
    slow = figures_of(samples([12.0] * 20, [3.0] * 20), reference_ms=quiet["reference_ms"])
    assert slow["median_ms"] == 12.0
    assert slow["normalised_ms"] == quiet["normalised_ms"] == 8.0


def test_a_few_quiet_runs_tell_the_quiet_time():
    found = figures_of(samples([8.0] * 4 + [12.0] * 16, [2.0] * 4 + [3.0] * 16))
    assert found["median_ms"] == 12.0
    assert found["normalised_ms"] == pytest.approx(8.0)


def test_the_record_survives_json():
    latency = latency_of()
    record = json.loads(json.dumps(latency.to_dict()))
    assert Latency.from_dict(record) == latency
    assert record["noisy"] is True
    assert record["fingerprint"] == latency.fingerprint


def test_a_record_without_the_interval_of_the_ratio_is_read():
    record = latency_of().to_dict()
    del record["ratio_interval"]
    assert not Latency.from_dict(record).comparable


def test_a_fingerprint_is_what_must_be_equal():
    latency = latency_of()
    assert latency.fingerprint == (
        f"{latency.device.key}, CPUExecutionProvider, thread clock, 1x3x24x32"
    )
    for change in (
        {"input_shape": (2, 3, 24, 32)},
        {"provider": "torch eager"},
        {"clock": "wall"},
        {"device": identify("cpu", threads=2)},
    ):
        assert dataclasses.replace(latency, **change).fingerprint != latency.fingerprint
    assert dataclasses.replace(latency, median_ms=1.0).fingerprint == latency.fingerprint


def test_a_level_above_one_is_noisy():
    latency = latency_of()
    assert dataclasses.replace(latency, noise=Noise(0.031, 0.0, 0.0)).noisy
    assert not dataclasses.replace(latency, noise=Noise(0.029, 0.0, 0.0)).noisy
