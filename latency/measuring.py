"""Latency, measured with onnxruntime on the device asked for."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from filelock import FileLock
from torch import nn

from latency.device import Device, DeviceIdentity, check_present, identify, parse_device
from latency.errors import LatencyError
from latency.exporting import export_onnx
from latency.sessions import open_session

MINIMUM_RUNS = 20
_NANOSECONDS_PER_MS = 1e6


@dataclass(frozen=True)
class Latency:
    """Wall-clock time of one forward pass.

    Attributes:
        min_ms: Shortest run, in milliseconds.
        median_ms: Median run.
        p90_ms: 90th percentile.
        runs: Number of timed runs.
        provider: The onnxruntime provider that ran the network.
        device: The device; latencies of different devices must not be compared.
        input_shape: Shape N, C, H, W of the input.
    """

    min_ms: float
    median_ms: float
    p90_ms: float
    runs: int
    provider: str
    device: DeviceIdentity
    input_shape: tuple[int, ...]

    def to_dict(self) -> dict[str, Any]:
        """A JSON-serialisable record."""
        return {
            "min_ms": self.min_ms,
            "median_ms": self.median_ms,
            "p90_ms": self.p90_ms,
            "runs": self.runs,
            "provider": self.provider,
            "device": self.device.to_dict(),
            "input_shape": list(self.input_shape),
        }


def measure(
    model: nn.Module,
    input_shape: Sequence[int],
    device: str | torch.device = "cpu",
    runs: int = 30,
    warmup: int = 10,
    threads: int = 1,
) -> Latency:
    """Exports a network and measures its latency.

    Args:
        model: The whole deployed network, on any device; it is not changed.
        input_shape: Shape N, C, H, W of the input.
        device: "cpu", "cuda" or "cuda:N".
        runs: Timed runs, at least 20.
        warmup: Runs before them, at least 1.
        threads: CPU threads of one operator.

    Raises:
        ExportError: If the network cannot be exported.
        LatencyError: If an argument is wrong, the device is missing, or onnxruntime would run on
            another one.
    """
    _check_request(parse_device(device), runs, warmup)
    with tempfile.TemporaryDirectory() as folder:
        path = export_onnx(model, input_shape, Path(folder, "model.onnx"))
        return measure_onnx(path, device, runs, warmup, threads)


def measure_onnx(
    path: Path | str,
    device: str | torch.device = "cpu",
    runs: int = 30,
    warmup: int = 10,
    threads: int = 1,
) -> Latency:
    """Measures the latency of an ONNX file with one float32 input of fixed shape.

    Measurements on one device exclude each other, also those of other processes.

    Args:
        path: The ONNX file.
        device: "cpu", "cuda" or "cuda:N".
        runs: Timed runs, at least 20.
        warmup: Runs before them, at least 1.
        threads: CPU threads of one operator.

    Raises:
        LatencyError: If an argument is wrong, the file or the device is missing, or onnxruntime
            would run on another one.
    """
    parsed = parse_device(device)
    _check_request(parsed, runs, warmup)
    identity = identify(str(parsed), threads)
    with device_lock(parsed):
        session = open_session(Path(path), str(parsed), threads)
        shape = _input_shape(session, path)
        run = _runner(session, parsed, np.zeros(shape, dtype=np.float32))
        times = _time(run, runs, warmup)
    return Latency(
        min_ms=float(np.min(times)),
        median_ms=float(np.median(times)),
        p90_ms=float(np.percentile(times, 90)),
        runs=runs,
        provider=session.get_providers()[0],
        device=identity,
        input_shape=shape,
    )


def device_lock(device: Device) -> FileLock:
    """A lock that measurements on one physical device share, whatever process they run in."""
    name = "cpu"
    if device.kind == "cuda":
        # The index depends on CUDA_VISIBLE_DEVICES, the UUID does not.
        name = str(torch.cuda.get_device_properties(device.index).uuid)
    # Other users of the machine must be able to take the lock too.
    return FileLock(Path(tempfile.gettempdir(), f"latency-{name}.lock"), mode=0o666)


def _check_request(device: Device, runs: int, warmup: int) -> None:
    if runs < MINIMUM_RUNS:
        raise LatencyError(f"{runs} runs are too few for a latency: ask for at least 20.")
    if warmup < 1:
        raise LatencyError(f"warmup is {warmup}: at least 1 run must come before the timed ones.")
    check_present(device)


def _input_shape(session: onnxruntime.InferenceSession, path: Path | str) -> tuple[int, ...]:
    inputs = session.get_inputs()
    if len(inputs) != 1 or inputs[0].type != "tensor(float)":
        kinds = ", ".join(f"{entry.name} {entry.type}" for entry in inputs)
        raise LatencyError(f"{path}: expected one float32 input, found {kinds}.")
    shape = tuple(inputs[0].shape)
    if not all(isinstance(size, int) for size in shape):
        raise LatencyError(f"{path}: input shape {shape} is not fixed: export it with a fixed one.")
    return shape


def _runner(
    session: onnxruntime.InferenceSession, device: Device, image: np.ndarray
) -> Callable[[], object]:
    name = session.get_inputs()[0].name
    if device.kind == "cpu":
        return lambda: session.run(None, {name: image})
    # Bound to the GPU, so that copies between host and device are not timed.
    binding = session.io_binding()
    value = onnxruntime.OrtValue.ortvalue_from_numpy(image, device.kind, device.index)
    binding.bind_ortvalue_input(name, value)
    for output in session.get_outputs():
        binding.bind_output(output.name, device.kind, device.index)

    def run() -> None:
        session.run_with_iobinding(binding)
        binding.synchronize_outputs()

    return run


def _time(run: Callable[[], object], runs: int, warmup: int) -> list[float]:
    """Milliseconds of each timed run."""
    for _ in range(warmup):
        run()
    times = []
    for _ in range(runs):
        start = time.perf_counter_ns()
        run()
        times.append((time.perf_counter_ns() - start) / _NANOSECONDS_PER_MS)
    return times
