from __future__ import annotations

import json
import multiprocessing
from pathlib import Path

import onnx
import pytest
import torch
from filelock import Timeout
from torch import nn

from latency import Device, LatencyError, device_lock, identify, measure, measure_onnx
from latency.measuring import _time
from latency.sessions import check_provider, open_session

SHAPE = (1, 3, 24, 32)


@pytest.fixture(autouse=True)
def _own_lock_folder(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


def _take_lock(folder: str, queue: multiprocessing.Queue) -> None:
    import tempfile

    tempfile.tempdir = folder
    try:
        with device_lock(Device("cpu")).acquire(timeout=0):
            queue.put("taken")
    except Timeout:
        queue.put("busy")


def test_a_measurement_says_what_ran(segmenter):
    latency = measure(segmenter, SHAPE, runs=20, warmup=1)
    assert 0 < latency.min_ms <= latency.median_ms <= latency.p90_ms
    assert latency.runs == 20
    assert latency.provider == "CPUExecutionProvider"
    assert latency.device == identify("cpu", threads=1)
    assert latency.input_shape == SHAPE


def test_the_record_survives_json(onnx_file):
    latency = measure_onnx(onnx_file, runs=20, warmup=1, threads=2)
    record = json.loads(json.dumps(latency.to_dict()))
    assert record["median_ms"] == latency.median_ms
    assert record["device"]["threads"] == 2
    assert record["input_shape"] == [1, 3, 24, 32]


def test_only_the_runs_after_warm_up_are_timed(monkeypatch):
    clock = iter(range(0, 10_000_000_000, 1_000_000))
    monkeypatch.setattr("time.perf_counter_ns", lambda: next(clock))
    calls = []
    times = _time(lambda: calls.append(next(clock)), runs=4, warmup=3)
    assert len(calls) == 7
    # The clock ticks once per call: once within a run and once at its end.
    assert times == [2.0] * 4


def test_measurements_leave_nothing_but_the_lock(segmenter, tmp_path, capfd, recwarn):
    measure(segmenter, SHAPE, runs=20, warmup=1)
    assert {entry.name for entry in tmp_path.iterdir()} <= {"latency-cpu.lock"}
    assert capfd.readouterr() == ("", "")
    assert list(recwarn) == []


def test_the_model_keeps_its_training_mode(segmenter):
    segmenter.train()
    measure(segmenter, SHAPE, runs=20, warmup=1)
    assert all(module.training for module in segmenter.modules())


def test_a_measurement_holds_the_lock_of_its_device(onnx_file, monkeypatch):
    held = []

    def spy(run, runs, warmup):
        other = device_lock(Device("cpu"))
        try:
            other.acquire(timeout=0)
        except Timeout:
            held.append(True)
        return [1.0] * runs

    monkeypatch.setattr("latency.measuring._time", spy)
    measure_onnx(onnx_file, runs=20)
    assert held == [True]


def test_processes_exclude_each_other(tmp_path):
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    arguments = (str(tmp_path), queue)
    with device_lock(Device("cpu")):
        process = context.Process(target=_take_lock, args=arguments)
        process.start()
        assert queue.get(timeout=30) == "busy"
        process.join(30)
    process = context.Process(target=_take_lock, args=arguments)
    process.start()
    assert queue.get(timeout=30) == "taken"
    process.join(30)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"runs": 19}, "19 runs are too few for a latency: ask for at least 20."),
        ({"warmup": 0}, "warmup is 0: at least 1 run must come before the timed ones."),
        ({"threads": 0}, "threads is 0: give at least 1."),
        ({"device": "tpu"}, "device 'tpu' is not known: use cpu, cuda or cuda:N."),
    ],
)
def test_wrong_requests_are_refused_before_anything_runs(segmenter, arguments, message):
    with pytest.raises(LatencyError) as caught:
        measure(segmenter, SHAPE, **arguments)
    assert str(caught.value) == message


def test_a_missing_gpu_is_an_error(onnx_file):
    with pytest.raises(LatencyError, match="device cuda:97 is not there"):
        measure_onnx(onnx_file, device="cuda:97")


@pytest.mark.skipif(torch.cuda.is_available(), reason="here the provider would load")
def test_onnxruntime_falling_back_to_the_cpu_is_an_error(onnx_file, capfd):
    with pytest.raises(LatencyError, match=r"cuda:0 was asked for.*CPUExecutionProvider"):
        open_session(onnx_file, "cuda")
    assert capfd.readouterr() == ("", "")


def test_only_the_provider_of_the_device_will_do():
    check_provider("CUDAExecutionProvider", Device("cuda"))
    with pytest.raises(LatencyError, match="cpu was asked for"):
        check_provider("CUDAExecutionProvider", Device("cpu"))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_measurement_names_the_gpu(segmenter):
    latency = measure(segmenter, SHAPE, device="cuda", runs=20)
    assert latency.provider == "CUDAExecutionProvider"
    assert latency.device.model == torch.cuda.get_device_name(0)
    assert latency.device.cuda == torch.version.cuda


def test_a_session_uses_the_threads_asked_for(onnx_file):
    session = open_session(onnx_file, "cpu", threads=2)
    assert session.get_session_options().intra_op_num_threads == 2


def test_a_file_that_is_no_network_is_named(tmp_path):
    path = tmp_path / "broken.onnx"
    path.write_text("no network")
    with pytest.raises(LatencyError, match=r"broken\.onnx: onnxruntime cannot load it"):
        measure_onnx(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(LatencyError, match=r"absent\.onnx: no such file"):
        measure_onnx(tmp_path / "absent.onnx")


def test_an_input_of_open_shape_is_refused(onnx_file, tmp_path: Path):
    model = onnx.load(onnx_file)
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "batch"
    path = tmp_path / "open.onnx"
    onnx.save(model, path)
    with pytest.raises(LatencyError, match=r"\('batch', 3, 24, 32\) is not fixed"):
        measure_onnx(path)


def test_a_second_input_is_refused(onnx_file, tmp_path: Path):
    model = onnx.load(onnx_file)
    extra = onnx.helper.make_tensor_value_info("mask", onnx.TensorProto.INT64, [1])
    model.graph.input.append(extra)
    path = tmp_path / "two.onnx"
    onnx.save(model, path)
    with pytest.raises(LatencyError, match="expected one float32 input"):
        measure_onnx(path)


def test_a_batch_is_measured_as_given():
    latency = measure(nn.Conv2d(3, 4, 1), (2, 3, 8, 8), runs=20, warmup=1)
    assert latency.input_shape == (2, 3, 8, 8)
