"""Devices, as a user names them, and the locks that keep measurements on them apart."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from filelock import FileLock, Timeout

from latency.errors import BusyError, LatencyError, UnavailableError
from user_folders import temporary_folder

PATIENCE = 900.0
"""Seconds that a measurement waits for those of other processes; the longest take minutes."""


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


@contextmanager
def device_lock(device: Device, patience: float = PATIENCE) -> Iterator[Path]:
    """Holds a lock that a user's measurements on one physical device share, in all processes.

    Args:
        device: The device.
        patience: Seconds to wait for it.

    Yields:
        The file of the lock.

    Raises:
        BusyError: If another process has held it for so long.
    """
    name = "cpu"
    if device.kind == "cuda":
        # The index depends on CUDA_VISIBLE_DEVICES, the UUID does not.
        name = str(torch.cuda.get_device_properties(device.index).uuid)
    # In a folder of the user: anybody could hold a lock for ever that all users share.
    path = temporary_folder() / f"latency-{name}.lock"
    lock = FileLock(path, timeout=patience)
    try:
        lock.acquire()
    except Timeout as error:
        raise BusyError(
            f"another process has been measuring on {device} for {patience:.0f} s; wait for it or "
            f"end it (it holds {path})."
        ) from error
    try:
        yield path
    finally:
        lock.release()
