"""Devices, as a user names them, and the locks that keep measurements on them apart."""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

import torch
from filelock import FileLock

from latency.errors import LatencyError, UnavailableError


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
class Placement:
    """Where and how a network runs.

    Attributes:
        device: The device.
        threads: CPU threads of one operator, at least 1.
        allow_fallback: Whether single operators may run on the CPU where the device has no kernel
            for them.

    Raises:
        LatencyError: If threads is below 1.
    """

    device: Device
    threads: int = 1
    allow_fallback: bool = False

    def __post_init__(self) -> None:
        check_threads(self.threads)


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


def check_threads(threads: int) -> None:
    """Checks a number of threads.

    Raises:
        LatencyError: If it is below 1.
    """
    if threads < 1:
        raise LatencyError(f"threads is {threads}: give at least 1.")


def check_present(device: Device) -> None:
    """Checks that torch sees the device.

    Raises:
        UnavailableError: If it does not.
    """
    visible = torch.cuda.device_count()
    if device.kind == "cuda" and device.index >= visible:
        raise UnavailableError(
            f"device {device} is not there: torch sees {visible} CUDA devices; use cpu or install "
            "a CUDA build of torch and the driver."
        )


def device_lock(device: Device) -> FileLock:
    """A lock that measurements on one physical device share, whatever process they run in."""
    name = "cpu"
    if device.kind == "cuda":
        # The index depends on CUDA_VISIBLE_DEVICES, the UUID does not.
        name = str(torch.cuda.get_device_properties(device.index).uuid)
    # Other users of the machine must be able to take the lock too.
    return FileLock(Path(tempfile.gettempdir(), f"latency-{name}.lock"), mode=0o666)
