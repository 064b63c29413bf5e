from __future__ import annotations

import json

import pytest
from torch import nn

from latency import LatencyError, UnavailableError, measure_energy, measure_onnx_energy
from latency.measuring.energy import _idle_watts, _use

SHAPE = (1, 3, 8, 8)


class Machine:
    """Draws 10 W when idle and 30 W in a run of half a second."""

    source = "fake"

    def __init__(self, monkeypatch):
        self.now, self.mj = 100.0, 5000.0
        monkeypatch.setattr("time.perf_counter", lambda: self.now)
        monkeypatch.setattr("time.sleep", self.sleep)

    def read(self):
        return self.mj

    def sleep(self, seconds):
        self.now += seconds
        self.mj += 10_000 * seconds

    def run(self):
        self.now += 0.5
        self.mj += 15_000


@pytest.fixture
def machine(monkeypatch):
    return Machine(monkeypatch)


def test_the_idle_power_is_that_of_the_pause(machine):
    assert _idle_watts(machine, 2.0) == pytest.approx(10.0)


def test_runs_go_on_for_the_time_asked_for(machine):
    assert _use(machine, machine.run, 1.9) == pytest.approx((4, 2.0, 60_000.0))


def test_the_energy_of_a_run_is_told_with_and_without_that_of_the_idle_device(machine, monkeypatch):
    monkeypatch.setattr("latency.measuring.energy.open_meter", lambda _: machine)
    monkeypatch.setattr("latency.measuring.energy._use", lambda *_: (4, 2.0, 60_000.0))
    found = measure_energy(nn.Conv2d(3, 4, 1), SHAPE, engine="torch")
    assert (found.mj, found.above_idle_mj) == pytest.approx((15_000, 10_000))
    assert (found.watts, found.idle_watts) == pytest.approx((30, 10))
    assert (found.runs, found.seconds, found.source) == (4, 2.0, "fake")
    assert found.device.engine == "torch"
    assert json.loads(json.dumps(found.to_dict()))["input_shape"] == list(SHAPE)


def test_an_onnx_file_is_measured_as_it_is(machine, monkeypatch, onnx_file):
    monkeypatch.setattr("latency.measuring.energy.open_meter", lambda _: machine)
    monkeypatch.setattr("latency.measuring.energy._use", lambda *_: (4, 2.0, 60_000.0))
    found = measure_onnx_energy(onnx_file)
    assert (found.mj, found.input_shape) == (15_000, (1, 3, 24, 32))
    assert (found.device.engine, found.device.precision) == ("onnxruntime", "float32")


def test_an_engine_of_networks_measures_no_file(onnx_file):
    with pytest.raises(LatencyError, match="torch does not run ONNX files: use onnxruntime"):
        measure_onnx_energy(onnx_file, engine="torch")


def test_a_machine_that_counts_no_energy_says_so(monkeypatch, tmp_path):
    monkeypatch.setattr(
        "latency.measuring.energy_meters.RaplMeter.__init__.__defaults__", (tmp_path,)
    )
    with pytest.raises(UnavailableError, match="has no RAPL package"):
        measure_energy(nn.Conv2d(3, 4, 1), SHAPE)


def test_too_short_a_time_is_refused():
    with pytest.raises(LatencyError, match=r"seconds is 0\.5"):
        measure_energy(nn.Conv2d(3, 4, 1), SHAPE, seconds=0.5)
