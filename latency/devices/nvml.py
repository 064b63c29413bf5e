"""What NVIDIA's management library tells of a GPU, through the library that the driver brings."""

from __future__ import annotations

import ctypes
from typing import Any

import torch

from latency.devices.device import Device, check_present
from latency.errors import UnavailableError

_LIBRARY = "libnvidia-ml.so.1"
_SM_CLOCK = 1


class Nvml:
    """Reads a GPU.

    https://docs.nvidia.com/deploy/nvml-api/group__nvmlDeviceQueries.html

    Args:
        device: The GPU.
        library: The loaded library; that of the driver unless given.

    Raises:
        UnavailableError: If the GPU or the library is missing.
    """

    def __init__(self, device: Device, library: Any = None) -> None:
        check_present(device)
        self._library = _load() if library is None else library
        self._handle = ctypes.c_void_p()
        # The index depends on CUDA_VISIBLE_DEVICES, the UUID does not.
        uuid = f"GPU-{torch.cuda.get_device_properties(device.index).uuid}".encode()
        self._call("nvmlInit_v2")
        self._call("nvmlDeviceGetHandleByUUID", uuid, ctypes.byref(self._handle))

    def energy(self) -> int:
        """Millijoules used since the driver was loaded.

        Raises:
            UnavailableError: If the GPU does not count them, as those before Volta.
        """
        used = ctypes.c_ulonglong()
        self._call("nvmlDeviceGetTotalEnergyConsumption", self._handle, ctypes.byref(used))
        return used.value

    def clock(self) -> int:
        """MHz of the multiprocessors at this moment.

        Raises:
            UnavailableError: If the GPU does not tell.
        """
        mhz = ctypes.c_uint()
        self._call("nvmlDeviceGetClockInfo", self._handle, _SM_CLOCK, ctypes.byref(mhz))
        return mhz.value

    def _call(self, name: str, *args: Any) -> None:
        status = getattr(self._library, name)(*args)
        if status != 0:
            raise UnavailableError(
                f"the GPU cannot be read: {name} of NVML gives error {status}, so look whether the "
                "driver works and the GPU is not too old."
            )


def _load() -> Any:
    try:
        return ctypes.CDLL(_LIBRARY)
    except OSError as error:
        raise UnavailableError(
            f"the GPU cannot be read: {_LIBRARY} is missing, which comes with NVIDIA's driver."
        ) from error
