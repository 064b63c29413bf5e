"""Who works on a trial, and whether that process is still alive."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

_PROC = Path("/proc")


@dataclass(frozen=True)
class WorkerIdentity:
    """One worker process.

    Args:
        host: Name of the machine, for people.
        machine: What tells one start of one machine (or container) from every other; empty
            where the system does not say.
        pid: Process id.
        started: Start of the process in clock ticks since the machine started, as pids are used
            again; -1 where the system does not say.
        index: Number of the worker within its executor.
    """

    host: str
    machine: str
    pid: int
    started: int
    index: int

    @classmethod
    def of_this_process(cls, index: int) -> WorkerIdentity:
        """Returns the identity to record with the trials of this process."""
        pid = os.getpid()
        return cls(socket.gethostname(), _machine(), pid, _start_of(pid), index)

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> WorkerIdentity:
        """Reads what `to_record` gave."""
        return cls(**record)

    def to_record(self) -> dict[str, Any]:
        """Returns the identity as a JSON object."""
        return asdict(self)

    def is_known_dead(self) -> bool:
        """True if the process ran on this machine and is gone; False if it lives or may live."""
        if not self.machine or self.started < 0 or self.machine != _machine():
            return False
        return _start_of(self.pid) != self.started


def _machine() -> str:
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{(_PROC / 'self/ns/pid').readlink()}"
    except OSError:
        return ""


def _start_of(pid: int) -> int:
    """Start of a live process in clock ticks, or -1 if there is none."""
    try:
        text = (_PROC / str(pid) / "stat").read_text()
    except OSError:
        return -1
    # The second field, the name in brackets, may hold blanks and brackets itself.
    fields = text.rpartition(")")[2].split()
    state, started = fields[0], int(fields[19])
    return -1 if state in "ZX" else started
