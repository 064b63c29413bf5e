"""What the system tells of processors and GPUs."""

from __future__ import annotations

import platform
import re
from pathlib import Path

import torch

from latency.devices.device import Device, check_present
from latency.devices.nvml import Nvml
from latency.errors import UnavailableError

CPU_INFO = Path("/proc/cpuinfo")
CPU_FREQUENCY = Path("/sys/devices/system/cpu/cpu0/cpufreq")
DRIVER_VERSION = Path("/proc/driver/nvidia/version")
_KHZ_PER_MHZ = 1000


def model_name(device: Device) -> str:
    """Name of the processor or of the GPU.

    Raises:
        UnavailableError: If torch does not see the GPU.
    """
    if device.kind == "cpu":
        return processor_name(CPU_INFO)
    check_present(device)
    return torch.cuda.get_device_name(device.index)


def processor_name(cpu_info: Path) -> str:
    """Name of the processor, or its architecture where the system does not name it."""
    match = _search(r"^model name\s*:\s*(.+)$", cpu_info)
    return match.strip() if match else platform.processor() or platform.machine()


def driver_version(version_file: Path) -> str | None:
    """Version of NVIDIA's kernel module, if there is one."""
    return _search(r"Kernel Module.*?\s(\d+\.[\d.]+)", version_file)


def clock_limit(frequency: Path = CPU_FREQUENCY) -> int | None:
    """MHz that the system lets the first core reach; None where it does not tell."""
    khz = _search(r"^(\d+)$", frequency / "scaling_max_freq")
    return int(khz) // _KHZ_PER_MHZ if khz else None


def governor(frequency: Path = CPU_FREQUENCY) -> str | None:
    """What chooses the clock of the first core, such as "performance"; None if not told."""
    return _search(r"^(\S+)$", frequency / "scaling_governor")


def clock_now(device: Device, frequency: Path = CPU_FREQUENCY) -> int | None:
    """MHz of the first core, or of the GPU, at this moment; None where the system does not tell."""
    if device.kind == "cpu":
        khz = _search(r"^(\d+)$", frequency / "scaling_cur_freq")
        return int(khz) // _KHZ_PER_MHZ if khz else None
    try:
        return Nvml(device).clock()
    except UnavailableError:
        return None


def _search(pattern: str, file: Path) -> str | None:
    try:
        text = file.read_text()
    except OSError:
        return None
    match = re.search(pattern, text, re.MULTILINE)
    return match[1] if match else None
