"""Counters of the energy that a device has used."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from latency.devices.device import Device
from latency.devices.nvml import Nvml
from latency.errors import UnavailableError

POWERCAP = Path("/sys/class/powercap")
_MICROJOULES_PER_MJ = 1000


class EnergyMeter(Protocol):
    """Counts the energy of a device."""

    source: str
    """Where the figure comes from."""

    def read(self) -> float:
        """Millijoules that the device has used since some moment in the past."""


class RaplMeter:
    """Energy of all processor packages, by Linux's powercap interface to RAPL.

    It counts whole packages, so whatever else the processor does counts too.
    https://docs.kernel.org/power/powercap/powercap.html

    Args:
        folder: Where the system keeps the counters.

    Raises:
        UnavailableError: If there are none, or they cannot be read.
    """

    source = "RAPL"

    def __init__(self, folder: Path = POWERCAP) -> None:
        zones = [zone for zone in sorted(folder.glob("intel-rapl:*")) if _is_package(zone)]
        if not zones:
            raise UnavailableError(
                f"the energy of the processor is not counted here: {folder} has no RAPL package."
            )
        self._packages = [_Package(zone) for zone in zones]

    def read(self) -> float:
        """Millijoules since the meter was made."""
        return sum(package.read() for package in self._packages) / _MICROJOULES_PER_MJ


class _Package:
    """One counter, which starts again from 0 now and then."""

    def __init__(self, zone: Path) -> None:
        self._counter = zone / "energy_uj"
        self._range = int(_text(zone / "max_energy_range_uj"))
        self._last = int(_text(self._counter))
        self._used = 0

    def read(self) -> int:
        now = int(_text(self._counter))
        self._used += (now - self._last) % self._range
        self._last = now
        return self._used


class NvmlMeter:
    """Energy of a GPU.

    Args:
        gpu: What reads it.

    Raises:
        UnavailableError: If the GPU does not count its energy.
    """

    source = "NVML"

    def __init__(self, gpu: Nvml) -> None:
        self._gpu = gpu
        self.read()

    def read(self) -> float:
        """Millijoules since the driver was loaded."""
        return float(self._gpu.energy())


def open_meter(device: Device) -> EnergyMeter:
    """The meter of a device.

    Raises:
        UnavailableError: If its energy cannot be read.
    """
    return RaplMeter() if device.kind == "cpu" else NvmlMeter(Nvml(device))


def _is_package(zone: Path) -> bool:
    name = zone / "name"
    return name.is_file() and _text(name).startswith("package")


def _text(file: Path) -> str:
    try:
        return file.read_text().strip()
    except OSError as error:
        raise UnavailableError(
            f"{file} cannot be read: let an administrator make it readable to measure energy."
        ) from error
