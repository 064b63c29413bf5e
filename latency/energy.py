"""Energy of one forward pass."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import nn

from latency.clocks import Run
from latency.device import Placement, parse_device
from latency.engines import create_engine
from latency.engines.sources import source_for
from latency.errors import LatencyError
from latency.identity import ONNXRUNTIME, DeviceIdentity, identify
from latency.locking import device_lock
from latency.meters import EnergyMeter, open_meter
from latency.network import check_input_shape

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
    if seconds < 1:
        raise LatencyError(f"seconds is {seconds}: counters of energy need at least 1.")
    shape = check_input_shape(input_shape)
    placement = Placement(parse_device(device), threads)
    runner = create_engine(engine)
    meter = open_meter(placement.device)
    with (
        source_for(runner, model, shape) as source,
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
        device=identify(str(placement.device), threads, engine),
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
