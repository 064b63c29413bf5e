"""Measurements on one device exclude each other."""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch
from filelock import FileLock

from latency.devices.device import Device


def device_lock(device: Device) -> FileLock:
    """A lock that measurements on one physical device share, whatever process they run in."""
    name = "cpu"
    if device.kind == "cuda":
        # The index depends on CUDA_VISIBLE_DEVICES, the UUID does not.
        name = str(torch.cuda.get_device_properties(device.index).uuid)
    # Other users of the machine must be able to take the lock too.
    return FileLock(Path(tempfile.gettempdir(), f"latency-{name}.lock"), mode=0o666)
