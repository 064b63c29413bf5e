"""Costs of a network that depend on a device, behind one interface."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from torch import nn

from latency.counting.peak_memory import count_memory
from latency.devices.device import check_threads, parse_device
from latency.devices.identity import ONNXRUNTIME
from latency.engines import create_engine
from latency.errors import LatencyError
from latency.measuring.cuda_memory import measure_cuda_memory
from latency.measuring.energy import measure_energy
from latency.measuring.measure import measure


@dataclass(frozen=True)
class Figure:
    """What a network costs.

    Attributes:
        value: In the unit of the cost.
        details: Whatever explains the value; JSON-serialisable.
    """

    value: float
    details: dict[str, Any]


class Cost(Protocol):
    """Tells what a network costs."""

    name: str
    """How records and penalties name it."""
    unit: str
    """Of its values."""

    def measure(self, model: nn.Module, input_shape: Sequence[int]) -> Figure:
        """The cost of one forward pass.

        Args:
            model: The whole deployed network; it is not changed.
            input_shape: Shape N, C, H, W of the input.

        Raises:
            LatencyError: If it cannot be told.
        """


@dataclass(frozen=True)
class LatencyCost:
    """Median time of one forward pass, measured.

    Attributes:
        device: "cpu", "cuda" or "cuda:N".
        threads: CPU threads of one operator.
        engine: What runs the network.
    """

    device: str
    threads: int = 1
    engine: str = ONNXRUNTIME
    name = "latency"
    unit = "ms"

    def measure(self, model: nn.Module, input_shape: Sequence[int]) -> Figure:
        """Measures it; see `latency.measure`."""
        found = measure(model, input_shape, self.device, threads=self.threads, engine=self.engine)
        return Figure(found.median_ms, found.to_dict())


@dataclass(frozen=True)
class MemoryCost:
    """Peak memory of one forward pass, counted: the same on every device.

    Attributes:
        device: On a GPU, what PyTorch allocates there stands in the details.
    """

    device: str
    name = "memory"
    unit = "bytes"

    def measure(self, model: nn.Module, input_shape: Sequence[int]) -> Figure:
        """Counts it; see `latency.count_memory`."""
        counted = count_memory(model, input_shape)
        details = asdict(counted) | {"source": "counted"}
        if parse_device(self.device).kind == "cuda":
            details["allocated"] = measure_cuda_memory(model, input_shape, self.device)
        return Figure(float(counted.peak), details)


@dataclass(frozen=True)
class EnergyCost:
    """Energy of the whole device for one forward pass, measured.

    Attributes:
        device: "cpu", "cuda" or "cuda:N".
        threads: CPU threads of one operator.
        engine: What runs the network.
    """

    device: str
    threads: int = 1
    engine: str = ONNXRUNTIME
    name = "energy"
    unit = "mJ"

    def measure(self, model: nn.Module, input_shape: Sequence[int]) -> Figure:
        """Measures it; see `latency.measure_energy`."""
        found = measure_energy(model, input_shape, self.device, self.threads, self.engine)
        return Figure(found.mj, found.to_dict())


_COSTS: dict[str, Callable[[str, int, str], Cost]] = {
    LatencyCost.name: LatencyCost,
    MemoryCost.name: lambda device, _threads, _engine: MemoryCost(device),
    EnergyCost.name: EnergyCost,
}


def cost_names() -> tuple[str, ...]:
    """The names of all costs that depend on a device."""
    return tuple(_COSTS)


def create_cost(
    name: str, device: str = "cpu", threads: int = 1, engine: str = ONNXRUNTIME
) -> Cost:
    """The cost of that name.

    Args:
        name: latency, memory or energy.
        device: "cpu", "cuda" or "cuda:N".
        threads: CPU threads of one operator; memory is the same for any number.
        engine: What runs the network, one of `engine_names()`; memory is the same for all.

    Raises:
        LatencyError: If there is no such cost, device or engine.
    """
    parse_device(device)
    check_threads(threads)
    create_engine(engine)
    if name not in _COSTS:
        raise LatencyError(f"cost {name!r} is not known: use {', '.join(_COSTS)}.")
    return _COSTS[name](device, threads, engine)
