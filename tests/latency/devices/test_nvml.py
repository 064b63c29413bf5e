from __future__ import annotations

import ctypes

import pytest
import torch

from latency import Device, UnavailableError
from latency.devices.hardware import clock_now
from latency.devices.nvml import Nvml


class FakeLibrary:
    def __init__(self, status=0):
        self.status = status
        self.uuid = None

    def nvmlInit_v2(self):  # noqa: N802
        return 0

    def nvmlDeviceGetHandleByUUID(self, uuid, handle):  # noqa: N802
        self.uuid = uuid
        return 0

    def nvmlDeviceGetTotalEnergyConsumption(self, handle, energy):  # noqa: N802
        ctypes.cast(energy, ctypes.POINTER(ctypes.c_ulonglong))[0] = 2**40
        return self.status

    def nvmlDeviceGetClockInfo(self, handle, kind, mhz):  # noqa: N802
        assert kind == 1
        ctypes.cast(mhz, ctypes.POINTER(ctypes.c_uint))[0] = 1410
        return self.status


@pytest.fixture
def gpu(monkeypatch):
    class Properties:
        uuid = "1234-abcd"

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: Properties)
    return Device("cuda", 1)


def test_a_gpu_is_read(gpu):
    library = FakeLibrary()
    found = Nvml(gpu, library)
    assert (found.energy(), found.clock()) == (2**40, 1410)
    assert library.uuid == b"GPU-1234-abcd"


def test_a_gpu_that_does_not_tell_says_so(gpu):
    with pytest.raises(UnavailableError, match="nvmlDeviceGetTotalEnergyConsumption of NVML gives"):
        Nvml(gpu, FakeLibrary(status=3)).energy()


def test_a_missing_library_says_so(gpu, monkeypatch):
    def missing(name):
        raise OSError(name)

    monkeypatch.setattr(ctypes, "CDLL", missing)
    with pytest.raises(UnavailableError, match=r"libnvidia-ml\.so\.1 is missing, which comes with"):
        Nvml(gpu)
    assert clock_now(gpu) is None


def test_the_clock_of_a_gpu_is_read(gpu, monkeypatch):
    monkeypatch.setattr(ctypes, "CDLL", lambda _: FakeLibrary())
    assert clock_now(gpu) == 1410
