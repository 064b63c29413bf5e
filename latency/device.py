"""Devices: how one is named, and what tells it from another."""

from __future__ import annotations

import os
import platform
import re
import socket
from dataclasses import asdict, dataclass
from pathlib import Path

import onnxruntime
import torch

from latency.errors import LatencyError

_CPU_INFO = Path("/proc/cpuinfo")
_DRIVER_VERSION = Path("/proc/driver/nvidia/version")


@dataclass(frozen=True)
class Device:
    """A device as a user names it.

    Attributes:
        kind: "cpu" or "cuda".
        index: Position among the visible devices of the kind.
    """

    kind: str
    index: int = 0

    @property
    def provider(self) -> str:
        """Name of the onnxruntime execution provider that runs on the device."""
        return {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}[self.kind]

    def __str__(self) -> str:
        return self.kind if self.kind == "cpu" else f"{self.kind}:{self.index}"


@dataclass(frozen=True)
class DeviceIdentity:
    """What a measured latency depends on besides the network.

    Attributes:
        kind: "cpu" or "cuda".
        model: Name of the processor or of the GPU.
        logical_cores: Logical CPU cores of the machine.
        threads: CPU threads that onnxruntime uses.
        os: Operating system, its release and the architecture.
        host: Name of the machine.
        onnxruntime: Version.
        torch: Version.
        cuda: Version of the CUDA runtime; None on a CPU.
        driver: Version of the GPU driver; None on a CPU or where it is unknown.
        precision: Number format of the computation.
    """

    kind: str
    model: str
    logical_cores: int
    threads: int
    os: str
    host: str
    onnxruntime: str
    torch: str
    cuda: str | None = None
    driver: str | None = None
    precision: str = "float32"

    def to_dict(self) -> dict[str, str | int | None]:
        """A JSON-serialisable record; `DeviceIdentity(**record)` reads it back."""
        return asdict(self)

    @property
    def key(self) -> str:
        """A short text that is equal exactly where figures may be compared.

        The host's name is left out: machines of one model count as one device.
        """
        parts = [
            self.kind,
            self.model,
            f"{self.logical_cores} cores",
            f"{self.threads} threads",
            self.precision,
            f"onnxruntime {self.onnxruntime}",
        ]
        if self.cuda:
            parts.append(f"CUDA {self.cuda}")
        return ", ".join(parts)


def parse_device(device: str | torch.device) -> Device:
    """Reads "cpu", "cuda" (the first GPU) or "cuda:N".

    Raises:
        LatencyError: If it is none of these.
    """
    match = re.fullmatch(r"(cpu)|cuda(?::(\d+))?", str(device))
    if match is None:
        raise LatencyError(f"device {str(device)!r} is not known: use cpu, cuda or cuda:N.")
    if match[1]:
        return Device("cpu")
    return Device("cuda", int(match[2] or 0))


def identify(device: str | torch.device, threads: int = 1) -> DeviceIdentity:
    """Describes a device of this machine.

    Args:
        device: "cpu", "cuda" or "cuda:N".
        threads: CPU threads that the measured network may use.

    Raises:
        LatencyError: If the device is not known or not present, or threads is below 1.
    """
    parsed = parse_device(device)
    if threads < 1:
        raise LatencyError(f"threads is {threads}: give at least 1.")
    is_cuda = parsed.kind == "cuda"
    return DeviceIdentity(
        kind=parsed.kind,
        model=_gpu_name(parsed) if is_cuda else _processor_name(_CPU_INFO),
        logical_cores=os.cpu_count() or 1,
        threads=threads,
        os=f"{platform.system()} {platform.release()} {platform.machine()}",
        host=socket.gethostname(),
        onnxruntime=onnxruntime.__version__,
        torch=str(torch.__version__),
        cuda=torch.version.cuda if is_cuda else None,
        driver=_driver_version(_DRIVER_VERSION) if is_cuda else None,
    )


def same_device(first: DeviceIdentity, second: DeviceIdentity) -> bool:
    """Whether latencies of the two may be compared."""
    return first.key == second.key


def check_present(device: Device) -> None:
    """Checks that torch sees the device.

    Raises:
        LatencyError: If it does not.
    """
    visible = torch.cuda.device_count()
    if device.kind == "cuda" and device.index >= visible:
        raise LatencyError(
            f"device {device} is not there: torch sees {visible} CUDA devices; use cpu or install "
            "a CUDA build of torch and the driver."
        )


def _gpu_name(device: Device) -> str:
    check_present(device)
    return torch.cuda.get_device_name(device.index)


def _processor_name(cpu_info: Path) -> str:
    if cpu_info.is_file():
        match = re.search(r"^model name\s*:\s*(.+)$", cpu_info.read_text(), re.MULTILINE)
        if match:
            return match[1].strip()
    return platform.processor() or platform.machine()


def _driver_version(version_file: Path) -> str | None:
    if not version_file.is_file():
        return None
    match = re.search(r"Kernel Module.*?\s(\d+\.[\d.]+)", version_file.read_text())
    return match[1] if match else None
