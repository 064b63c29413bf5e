"""Costs of a network, each declared once: its name, label and unit, and what tells it.

A cost of one's own is declared in the same way, and known by its name from then on::

    @latency.costs.register
    class Depth(latency.Cost):
        name = "depth"
        label = "convolutions"

        def measure(self, model, input_shape):
            return latency.Figure(sum(isinstance(m, nn.Conv2d) for m in model.modules()))

Without the decorator, it is known by its import path, ``package.module:Depth`` or
``path/to/file.py:Depth``. Importing this module does without torch.
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar

from latency.errors import LatencyError
from latency.units import BYTES, COUNT, MILLIJOULES, MILLISECONDS, Unit
from open_registry import Registry, UnknownNameError

if TYPE_CHECKING:
    from torch import nn

    from latency.counting.counts import Counts

_LATENCY_OF_A_TABLE = "latency_ms"
"""How the name of a latency begins that a table of a benchmark tells, before the device's name."""


class Source(StrEnum):
    """How a cost is found."""

    COUNTED = "counted"
    """On a network that does not run: the same on every device."""
    PREDICTED = "predicted"
    """From what is known of the device, or measured there."""
    MEASURED = "measured"
    """On the device; every network has to run."""


@dataclass(frozen=True)
class Figure:
    """What a network costs.

    Attributes:
        value: In the unit of the cost.
        details: Whatever explains the value; JSON-serialisable.
    """

    value: float
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Cost(ABC):
    """What one forward pass of a network costs: the declaration, and what tells it on a device.

    Attributes:
        device: "cpu", "cuda" or "cuda:N".
        threads: CPU threads of one operator.
        engine: What runs the network.
        name: How records, penalties and limits name it.
        label: What people call it.
        unit: Of its values.
        source: How it is found.
        needs_build: Whether `measure` needs the network with its weights. A network without them
            is on the meta device: it has shapes and no numbers.
    """

    device: str = "cpu"
    threads: int = 1
    engine: str = "onnxruntime"
    name: ClassVar[str]
    label: ClassVar[str]
    unit: ClassVar[Unit] = COUNT
    source: ClassVar[Source] = Source.COUNTED
    needs_build: ClassVar[bool] = False

    @abstractmethod
    def measure(self, model: nn.Module, input_shape: Sequence[int]) -> Figure:
        """The cost of one forward pass.

        Args:
            model: The whole deployed network; it is not changed.
            input_shape: Shape N, C, H, W of the input.

        Raises:
            LatencyError: If it cannot be told.
        """


class ParametersCost(Cost):
    """Elements of all parameters."""

    name = "params"
    label = "parameters"

    def measure(self, model: nn.Module, input_shape: Sequence[int]) -> Figure:
        """Counts them; see `latency.count`."""
        return Figure(float(_counts(model, input_shape).parameters))


class MacsCost(Cost):
    """Multiply-accumulates."""

    name = "macs"
    label = "MACs"

    def measure(self, model: nn.Module, input_shape: Sequence[int]) -> Figure:
        """Counts them; see `latency.count`."""
        return Figure(float(_counts(model, input_shape).macs))


class FlopsCost(Cost):
    """Floating-point operations."""

    name = "flops"
    label = "FLOPs"

    def measure(self, model: nn.Module, input_shape: Sequence[int]) -> Figure:
        """Counts them; see `latency.count`."""
        return Figure(float(_counts(model, input_shape).flops))


class LatencyCost(Cost):
    """Median time."""

    name = "latency"
    label = "latency"
    unit = MILLISECONDS
    source = Source.PREDICTED
    needs_build = True

    def measure(self, model: nn.Module, input_shape: Sequence[int]) -> Figure:
        """Measures it; see `latency.measure`."""
        from latency.measuring.measure import measure

        found = measure(model, input_shape, self.device, threads=self.threads, engine=self.engine)
        return Figure(found.median_ms, found.to_dict())


class MemoryCost(Cost):
    """Peak memory; on a GPU, what PyTorch allocates there stands in the details."""

    name = "memory"
    label = "memory"
    unit = BYTES

    def measure(self, model: nn.Module, input_shape: Sequence[int]) -> Figure:
        """Counts it; see `latency.count_memory`."""
        from latency.counting.peak_memory import count_memory
        from latency.devices.device import parse_device
        from latency.measuring.cuda_memory import measure_cuda_memory

        counted = count_memory(model, input_shape)
        details = asdict(counted) | {"source": "counted"}
        if parse_device(self.device).kind == "cuda":
            details["allocated"] = measure_cuda_memory(model, input_shape, self.device)
        return Figure(float(counted.peak), details)


class EnergyCost(Cost):
    """Energy of the whole device."""

    name = "energy"
    label = "energy"
    unit = MILLIJOULES
    source = Source.MEASURED
    needs_build = True

    def measure(self, model: nn.Module, input_shape: Sequence[int]) -> Figure:
        """Measures it; see `latency.measure_energy`."""
        from latency.measuring.energy import measure_energy

        found = measure_energy(model, input_shape, self.device, self.threads, self.engine)
        return Figure(found.mj, found.to_dict())


def _complaint(found: Any) -> str | None:
    if not (isinstance(found, type) and issubclass(found, Cost)):
        return "must be a subclass of latency.Cost"
    if inspect.isabstract(found):
        return "must define measure"
    for attribute in ("name", "label"):
        if not isinstance(getattr(found, attribute, None), str):
            return f"must have the class attribute {attribute!r}"
    return None


COSTS: Registry[type[Cost]] = Registry(
    "cost",
    {
        "params": "latency.costs:ParametersCost",
        "macs": "latency.costs:MacsCost",
        "flops": "latency.costs:FlopsCost",
        "latency": "latency.costs:LatencyCost",
        "memory": "latency.costs:MemoryCost",
        "energy": "latency.costs:EnergyCost",
    },
    _complaint,
)

register = COSTS.register
"""A decorator that makes a `Cost` known by its name."""


def cost_names() -> tuple[str, ...]:
    """The names of all costs: the built-in ones, then those that were registered."""
    return COSTS.names()


def create_cost(
    name: str, device: str = "cpu", threads: int = 1, engine: str = "onnxruntime"
) -> Cost:
    """The cost of that name, on a device.

    Args:
        name: One of `cost_names()`, or the import path of a `Cost`.
        device: "cpu", "cuda" or "cuda:N".
        threads: CPU threads of one operator.
        engine: What runs the network, one of `engine_names()`. What is counted is the same for
            all of them.

    Raises:
        LatencyError: If there is no such cost, device or engine.
    """
    from latency.devices.device import check_threads, parse_device
    from latency.engines import create_engine

    parse_device(device)
    check_threads(threads)
    create_engine(engine)
    try:
        return COSTS.get(name)(device, threads, engine)
    except UnknownNameError as error:
        raise LatencyError(str(error)) from error


def declared(key: str) -> type[Cost] | None:
    """The declaration of a recorded cost; None of one that only a table or another program knows.

    Args:
        key: As the record names it.
    """
    return COSTS.get(key) if key in COSTS.names() else None


def unit_of(key: str) -> Unit:
    """The unit of a recorded cost; what is not declared is a count, or the latency of a table."""
    cost = declared(key)
    if cost is not None:
        return cost.unit
    return MILLISECONDS if key.startswith(_LATENCY_OF_A_TABLE) else COUNT


def heading(key: str) -> str:
    """What a column of a recorded cost is called, for example "latency (ms)" or "MACs"."""
    cost = declared(key)
    if cost is None:
        return key.replace("_", " ")
    return f"{cost.label} ({cost.unit})" if cost.unit.name else cost.label


def amount(key: str, value: float) -> str:
    """A recorded cost as people read it, for example "5 ms" or "1.5 M"."""
    return unit_of(key).write(value)


def _counts(model: nn.Module, input_shape: Sequence[int]) -> Counts:
    from latency.counting.counts import count

    return count(model, input_shape)
