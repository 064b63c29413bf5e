from __future__ import annotations

import json
import os
import warnings
from contextlib import contextmanager

import pytest
import torch
from torch import nn

from latency import (
    Device,
    FallbackWarning,
    LatencyError,
    NoiseWarning,
    UnavailableError,
    device_lock,
    identify,
    measure,
    measure_onnx,
)
from latency.engines.clocks import Timing
from latency.engines.engine import Prepared
from latency.errors import BusyError

SHAPE = (1, 3, 24, 32)


@pytest.fixture(autouse=True)
def _own_lock_folder(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


@pytest.fixture(autouse=True)
def _whatever_the_noise():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NoiseWarning)
        yield


class FakeEngine:
    """Runs whose times are given; the reference takes 1 ms unless it has times of its own."""

    name = on_cpu = reference = "fake"
    takes_onnx = False

    def __init__(self, candidate, reference=None):
        self.candidate = iter(candidate)
        self.reference_times = reference or iter(lambda: 1.0, None)
        self.placements = []
        self.held = []
        self.prepared = 0

    @contextmanager
    def prepare(self, source, input_shape, placement):
        self.placements.append(placement)
        times = self.reference_times if self.prepared % 2 else self.candidate
        self.prepared += 1
        yield Prepared(run=self._run, clock=FakeClock(times), provider="fake provider")

    def _run(self):
        try:
            with device_lock(Device("cpu"), patience=0):
                pass
        except BusyError:
            self.held.append(True)


class FakeClock:
    name = "fake"

    def __init__(self, times):
        self.times = times

    def time(self, run, repeats=1):
        run()
        ms = next(self.times)
        return Timing(ms, ms)


def install(monkeypatch, engine: FakeEngine) -> FakeEngine:
    monkeypatch.setattr("latency.measuring.measure.create_engine", lambda _: engine)
    return engine


def quiet(ms: float):
    return iter(lambda: ms, None)


def test_a_measurement_says_what_ran(segmenter):
    latency = measure(segmenter, SHAPE, runs=20, warmup=1)
    assert 0 < latency.min_ms <= latency.low_ms <= latency.median_ms <= latency.high_ms
    assert latency.median_ms <= latency.p90_ms
    assert latency.runs == 20
    assert latency.warmup_runs >= 10
    assert latency.repeats > 1
    assert latency.provider == "CPUExecutionProvider"
    assert latency.clock == "thread"
    assert latency.device == identify("cpu", threads=1)
    assert latency.input_shape == SHAPE
    assert latency.reference_ms > 0
    assert latency.ratio > 0


def test_the_record_survives_json(onnx_file):
    latency = measure_onnx(onnx_file, runs=20, warmup=1, threads=2)
    record = json.loads(json.dumps(latency.to_dict()))
    assert record["median_ms"] == latency.median_ms
    assert record["device"]["threads"] == 2
    assert record["input_shape"] == [1, 3, 24, 32]
    assert record["clock"] == "wall"


def test_only_the_runs_after_warm_up_are_timed(segmenter, monkeypatch):
    warm_up, timed = [9.0] * 10, [5.0] * 20
    install(monkeypatch, FakeEngine(warm_up + timed))
    latency = measure(segmenter, SHAPE, runs=20, warmup=1)
    assert (latency.min_ms, latency.median_ms, latency.p90_ms) == (5.0, 5.0, 5.0)
    assert (latency.warmup_runs, latency.runs, latency.attempts) == (10, 20, 1)
    assert (latency.ratio, latency.normalised_ms, latency.reference_ms) == (5.0, 5.0, 1.0)
    assert not latency.noisy


def test_a_noisy_attempt_is_followed_until_the_last_runs_are_quiet(segmenter, monkeypatch):
    noisy = [5.0, 9.0] * 14
    engine = install(monkeypatch, FakeEngine([5.0] * 10 + noisy + [5.0] * 32))
    latency = measure(segmenter, SHAPE, runs=21, warmup=1)
    assert (latency.attempts, latency.noisy, latency.runs) == (2, False, 21)
    # Runs are added by sevens: two lots of them make the noise a third of the last 21.
    assert (latency.median_ms, latency.high_ms, latency.p90_ms) == (5.0, 5.0, 9.0)
    assert len(list(engine.candidate)) == 32 - 14


def test_a_machine_that_is_never_quiet_is_flagged(segmenter, monkeypatch):
    install(monkeypatch, FakeEngine([5.0] * 10 + [5.0, 9.0] * 30))
    with pytest.warns(NoiseWarning, match="busy all the time, so the latency is marked as noisy"):
        latency = measure(segmenter, SHAPE, runs=20, warmup=1)
    assert latency.noisy
    assert (latency.attempts, latency.median_ms) == (3, 7.0)


def test_the_quiet_moments_of_noisy_attempts_make_a_quiet_one(segmenter, monkeypatch):
    # In each attempt the machine is quiet for a while, and slow for the rest.
    candidate = [5.0] * 10 + ([5.0] * 12 + [7.0] * 8) * 2
    reference = iter([1.0] * 10 + ([1.0] * 12 + [1.3] * 8) * 2)
    engine = install(monkeypatch, FakeEngine(candidate, reference))
    latency = measure(segmenter, SHAPE, runs=20, warmup=1)
    assert (latency.attempts, latency.noisy) == (2, False)
    assert (latency.median_ms, latency.p90_ms, latency.runs) == (5.0, 5.0, 20)
    # A third of the second attempt was enough.
    assert len(list(engine.candidate)) == 20 - 7


def test_the_number_of_attempts_can_be_set(segmenter, monkeypatch):
    install(monkeypatch, FakeEngine([5.0] * 10 + [5.0, 9.0] * 10))
    latency = measure(segmenter, SHAPE, runs=20, warmup=1, attempts=1)
    assert (latency.attempts, latency.noisy) == (1, True)


def test_a_drifting_reference_makes_a_measurement_noisy(segmenter, monkeypatch):
    reference = iter([1.0] * 10 + [1.0] * 10 + [1.5] * 11)
    install(monkeypatch, FakeEngine(quiet(5.0), reference))
    latency = measure(segmenter, SHAPE, runs=20, warmup=1, attempts=1)
    assert latency.noisy
    assert latency.noise.drift == pytest.approx(0.5)


def test_a_known_quiet_reference_corrects_a_slow_machine(segmenter, monkeypatch):
    install(monkeypatch, FakeEngine(quiet(6.0), quiet(1.5)))
    latency = measure(segmenter, SHAPE, runs=20, warmup=1, reference_ms=1.0)
    assert (latency.median_ms, latency.normalised_ms) == (6.0, 4.0)
    assert (latency.noisy, latency.comparable, latency.attempts) == (True, True, 3)


def test_a_busy_machine_is_no_matter_where_the_reference_makes_up_for_it(segmenter, monkeypatch):
    install(monkeypatch, FakeEngine(quiet(6.0), quiet(1.5)))
    with warnings.catch_warnings():
        warnings.simplefilter("error", NoiseWarning)
        assert measure(segmenter, SHAPE, runs=20, warmup=1, reference_ms=1.0).noisy


def test_a_ratio_that_is_not_sure_is_warned_of(segmenter, monkeypatch):
    install(monkeypatch, FakeEngine(iter([6.0] * 10 + [6.0, 9.0] * 30), quiet(1.5)))
    with pytest.warns(NoiseWarning):
        latency = measure(segmenter, SHAPE, runs=20, warmup=1, reference_ms=1.0)
    assert (latency.comparable, latency.attempts) == (False, 3)


def test_a_measurement_holds_the_lock_of_its_device(segmenter, monkeypatch):
    engine = install(monkeypatch, FakeEngine(quiet(5.0)))
    measure(segmenter, SHAPE, runs=20, warmup=1)
    assert len(engine.held) == 61
    with device_lock(Device("cpu"), patience=0):
        pass


def test_measurements_leave_nothing_but_the_lock(segmenter, tmp_path, capfd, recwarn):
    measure(segmenter, SHAPE, runs=20, warmup=1)
    assert {entry.name for entry in tmp_path.iterdir()} <= {f"nas-{os.getuid()}"}
    assert capfd.readouterr() == ("", "")
    assert [entry for entry in recwarn if entry.category is not NoiseWarning] == []


def test_the_model_keeps_its_training_mode(segmenter):
    segmenter.train()
    measure(segmenter, SHAPE, runs=20, warmup=1)
    assert all(module.training for module in segmenter.modules())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"runs": 19}, "19 runs are too few for a latency: ask for at least 20."),
        ({"warmup": 0}, "warmup is 0: at least 1 run must come before the timed ones."),
        ({"attempts": 0}, "attempts is 0: ask for at least 1."),
        ({"threads": 0}, "threads is 0: give at least 1."),
        ({"device": "tpu"}, "device 'tpu' is not known: use cpu, cuda or cuda:N."),
        (
            {"engine": "tvm"},
            "there is no engine 'tvm'; choose one of onnxruntime, tensorrt, torch, torch.compile, "
            "cuda-graphs, openvino, litert, executorch, or give an import path, "
            "package.module:Name or path/to/file.py:Name.",
        ),
    ],
)
def test_wrong_requests_are_refused_before_anything_runs(segmenter, arguments, message):
    with pytest.raises(LatencyError) as caught:
        measure(segmenter, SHAPE, **arguments)
    assert str(caught.value) == message


@pytest.mark.parametrize("engine", ["onnxruntime", "tensorrt", "torch", "cuda-graphs"])
def test_a_missing_gpu_is_an_error(segmenter, engine):
    with pytest.raises(UnavailableError, match="device cuda:97 is not there"):
        measure(segmenter, SHAPE, device="cuda:97", engine=engine)


def test_a_missing_gpu_is_an_error_for_a_file(onnx_file):
    with pytest.raises(UnavailableError, match="device cuda:97 is not there"):
        measure_onnx(onnx_file, device="cuda:97")


@pytest.mark.parametrize(
    ("engine", "stands_in"), [("tensorrt", "onnxruntime"), ("cuda-graphs", "torch")]
)
def test_the_cpu_stands_in_if_that_is_allowed(segmenter, engine, stands_in):
    with pytest.warns(FallbackWarning, match="measured on the CPU, because device cuda:97"):
        latency = measure(
            segmenter, SHAPE, device="cuda:97", engine=engine, runs=20, allow_fallback=True
        )
    assert (latency.device.kind, latency.device.engine) == ("cpu", stands_in)


def test_the_reference_of_a_device_says_nothing_of_the_cpu_that_stands_in(segmenter):
    with pytest.warns(FallbackWarning):
        latency = measure(
            segmenter, SHAPE, "cuda:97", runs=20, allow_fallback=True, reference_ms=1e6
        )
    assert latency.normalised_ms < 1e5


@pytest.mark.parametrize("engine", ["tensorrt", "cuda-graphs"])
def test_engines_of_gpus_refuse_a_cpu(segmenter, engine):
    with pytest.raises(LatencyError, match=f"the engine {engine} runs on GPUs only"):
        measure(segmenter, SHAPE, device="cpu", engine=engine)


def test_engines_of_pytorch_refuse_a_file(onnx_file):
    with pytest.raises(LatencyError, match="the engine torch does not run ONNX files"):
        measure_onnx(onnx_file, engine="torch")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("engine", ["onnxruntime", "torch", "cuda-graphs"])
def test_a_gpu_measurement_names_the_gpu(segmenter, engine):
    latency = measure(segmenter, SHAPE, device="cuda", runs=20, engine=engine)
    assert latency.clock == "cuda"
    assert latency.device.model == torch.cuda.get_device_name(0)
    assert latency.device.cuda == torch.version.cuda


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(LatencyError, match=r"absent\.onnx: no such file"):
        measure_onnx(tmp_path / "absent.onnx")


def test_a_batch_is_measured_as_given():
    latency = measure(nn.Conv2d(3, 4, 1), (2, 3, 8, 8), runs=20, warmup=1)
    assert latency.input_shape == (2, 3, 8, 8)
