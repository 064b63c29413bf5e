"""Energy of one forward pass."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from latency.devices.device import Placement, device_lock, parse_device
from latency.devices.identity import FLOAT32, ONNXRUNTIME, DeviceIdentity, identify
from latency.engines import create_engine
from latency.engines.clocks import Run
from latency.engines.engine import Engine, Source, source_for
from latency.errors import LatencyError
from latency.measuring.energy_meters import EnergyMeter, open_meter
from latency.network import InputShape, check_input_shape
from latency.onnx_files.file import OnnxFile

_WARM_UP_RUNS = 10
_MJ_PER_JOULE = 1000


@dataclass(frozen=True)
class Energy:
    """What one forward pass draws.

    Attributes:
        mj: Millijoules of the whole device per run.
        above_idle_mj: The same without what the idle device would have drawn.
        watts: Mean power during the runs.
        idle_watts: Mean power just before.
        runs: Number of runs.
        seconds: That they took.
        source: The counter that was read: RAPL or NVML.
        device: The device and the engine.
        input_shape: Shape N, C, H, W of the input.
    """

    mj: float
    above_idle_mj: float
    watts: float
    idle_watts: float
    runs: int
    seconds: float
    source: str
    device: DeviceIdentity
    input_shape: tuple[int, ...]

    def to_dict(self) -> dict[str, Any]:
        """A JSON-serialisable record."""
        return asdict(self) | {"input_shape": list(self.input_shape)}


def measure_energy(
    model: nn.Module,
    input_shape: Sequence[int],
    device: str | torch.device = "cpu",
    threads: int = 1,
    engine: str = ONNXRUNTIME,
    seconds: float = 2.0,
) -> Energy:
    """Measures the energy that a device draws for a network.

    The counters tell of the whole device and are renewed some ten to a thousand times a second, so
    the network runs again and again for a while, and nothing else should run.

    Args:
        model: The whole deployed network; it is not changed.
        input_shape: Shape N, C, H, W of the input.
        device: "cpu", "cuda" or "cuda:N".
        threads: CPU threads of one operator.
        engine: What runs the network, one of `engine_names()`.
        seconds: For how long it runs, and for how long the idle device is watched before; at least
            one.

    Raises:
        UnavailableError: If the energy of the device cannot be read, or the device is missing.
        ExportError: If the network cannot be exported.
        LatencyError: If an argument is wrong, or the engine cannot run the network.
    """
    shape = check_input_shape(input_shape)
    placement = Placement(parse_device(device), threads)
    runner = create_engine(engine)
    meter = _meter(placement, seconds)
    with source_for(runner, model, shape) as source:
        return _measure(source, shape, _Request(runner, placement, seconds), meter, FLOAT32)


def measure_onnx_energy(
    path: Path | str,
    device: str | torch.device = "cpu",
    threads: int = 1,
    engine: str = ONNXRUNTIME,
    seconds: float = 2.0,
    input_shape: Sequence[int] | None = None,
) -> Energy:
    """Measures the energy that a device draws for an ONNX file, as `measure_energy` does.

    Args:
        path: The ONNX file.
        device: "cpu", "cuda" or "cuda:N".
        threads: CPU threads of one operator.
        engine: What runs the file: onnxruntime or tensorrt.
        seconds: For how long it runs, and for how long the idle device is watched before; at least
            one.
        input_shape: Shape N, C, H, W of the input; needed where the file leaves the batch open.

    Raises:
        UnavailableError: If the energy of the device cannot be read, or the device is missing.
        LatencyError: If an argument is wrong, the file is missing or is no such network, or the
            engine does not run ONNX files.
    """
    placement = Placement(parse_device(device), threads)
    runner = create_engine(engine)
    if not runner.takes_onnx:
        raise LatencyError(f"the engine {engine} does not run ONNX files: use onnxruntime.")
    file = OnnxFile.read(Path(path))
    shape = file.input_shape(input_shape)
    meter = _meter(placement, seconds)
    return _measure(file.path, shape, _Request(runner, placement, seconds), meter, file.precision)


@dataclass(frozen=True)
class _Request:
    """How a network is measured."""

    engine: Engine
    placement: Placement
    seconds: float


def _meter(placement: Placement, seconds: float) -> EnergyMeter:
    """Opened before the export, which takes a second."""
    if seconds < 1:
        raise LatencyError(f"seconds is {seconds}: counters of energy need at least 1.")
    return open_meter(placement.device)


def _measure(
    source: Source, shape: InputShape, request: _Request, meter: EnergyMeter, precision: str
) -> Energy:
    runner, placement, seconds = request.engine, request.placement, request.seconds
    with (
        device_lock(placement.device),
        runner.prepare(source, shape, placement) as prepared,
    ):
        for _ in range(_WARM_UP_RUNS):
            prepared.run()
        idle_watts = _idle_watts(meter, seconds)
        runs, elapsed, mj = _use(meter, prepared.run, seconds)
    return Energy(
        mj=mj / runs,
        above_idle_mj=(mj - idle_watts * elapsed * _MJ_PER_JOULE) / runs,
        watts=mj / _MJ_PER_JOULE / elapsed,
        idle_watts=idle_watts,
        runs=runs,
        seconds=elapsed,
        source=meter.source,
        device=identify(str(placement.device), placement.threads, runner.name, precision),
        input_shape=shape,
    )


def _idle_watts(meter: EnergyMeter, seconds: float) -> float:
    start, before = time.perf_counter(), meter.read()
    time.sleep(seconds)
    return (meter.read() - before) / _MJ_PER_JOULE / (time.perf_counter() - start)


def _use(meter: EnergyMeter, run: Run, seconds: float) -> tuple[int, float, float]:
    """Runs for so long; tells the runs, the seconds and the millijoules."""
    runs = 0
    start, before = time.perf_counter(), meter.read()
    while time.perf_counter() - start < seconds:
        run()
        runs += 1
    used = meter.read() - before
    return runs, time.perf_counter() - start, used
