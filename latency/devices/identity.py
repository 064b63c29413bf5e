"""What tells one device, and one way to run a network on it, from another."""

from __future__ import annotations

import os
import platform
import socket
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version

import onnxruntime
import torch

from latency.devices import hardware
from latency.devices.device import check_threads, parse_device

FLOAT32 = "float32"
INT8 = "int8"
ONNXRUNTIME = "onnxruntime"
_BY_ONNXRUNTIME = {ONNXRUNTIME, "tensorrt"}
_PACKAGES = {"openvino": "openvino", "litert": "ai-edge-litert", "executorch": "executorch"}
"""The package of each engine that is neither onnxruntime's nor PyTorch's."""


@dataclass(frozen=True)
class DeviceIdentity:
    """What a measured latency depends on besides the network and the size of its input.

    Attributes:
        kind: "cpu" or "cuda".
        model: Name of the processor or of the GPU.
        logical_cores: Logical CPU cores of the machine.
        threads: CPU threads that the network may use.
        os: Operating system, its release and the architecture.
        host: Name of the machine.
        onnxruntime: Version.
        torch: Version.
        cuda: Version of the CUDA runtime; None on a CPU.
        driver: Version of the GPU driver; None on a CPU or where it is unknown.
        precision: Number format of the computation: float32 or int8.
        engine: What runs the network.
        cudnn: Version of cuDNN; None on a CPU.
        max_mhz: Highest clock of the processor that the system allows; None where it does not tell.
        governor: What chooses that clock; None where the system does not tell.
        runtime: Version of the engine, where it is neither onnxruntime's nor PyTorch's.
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
    precision: str = FLOAT32
    engine: str = ONNXRUNTIME
    cudnn: int | None = None
    max_mhz: int | None = None
    governor: str | None = None
    runtime: str | None = None

    def to_dict(self) -> dict[str, str | int | None]:
        """A JSON-serialisable record; `DeviceIdentity(**record)` reads it back."""
        return asdict(self)

    @property
    def key(self) -> str:
        """A short text that is equal exactly where figures may be compared.

        The host's name is left out: machines of one model count as one device. So are the driver
        and the system, whose updates hardly change a figure; they are recorded.
        """
        parts = [
            self.kind,
            self.model,
            f"{self.logical_cores} cores",
            f"{self.threads} threads",
            self.precision,
            *self._software(),
        ]
        if self.max_mhz:
            parts.append(f"{self.max_mhz} MHz")
        if self.governor:
            parts.append(f"{self.governor} governor")
        return ", ".join(parts)

    def _software(self) -> list[str]:
        if self.runtime is not None:
            return [f"{self.engine} {self.runtime}"]
        library, version = "torch", self.torch
        if self.engine in _BY_ONNXRUNTIME:
            library, version = ONNXRUNTIME, self.onnxruntime
        parts = [f"{library} {version}"]
        if self.engine != library:
            parts.insert(0, self.engine)
        if self.cuda:
            parts.append(f"CUDA {self.cuda}")
        if self.cudnn:
            parts.append(f"cuDNN {self.cudnn}")
        return parts


def identify(
    device: str | torch.device,
    threads: int = 1,
    engine: str = ONNXRUNTIME,
    precision: str = FLOAT32,
) -> DeviceIdentity:
    """Describes a device of this machine and what runs a network there.

    Args:
        device: "cpu", "cuda" or "cuda:N".
        threads: CPU threads that the measured network may use.
        engine: Name of the engine, one of `latency.engine_names()`.
        precision: Number format of the computation: float32 or int8.

    Raises:
        LatencyError: If the device is not known or not present, or threads is below 1.
    """
    parsed = parse_device(device)
    check_threads(threads)
    is_cuda = parsed.kind == "cuda"
    return DeviceIdentity(
        kind=parsed.kind,
        model=hardware.model_name(parsed),
        logical_cores=os.cpu_count() or 1,
        threads=threads,
        os=f"{platform.system()} {platform.release()} {platform.machine()}",
        host=socket.gethostname(),
        onnxruntime=onnxruntime.__version__,
        torch=str(torch.__version__),
        cuda=torch.version.cuda if is_cuda else None,
        driver=hardware.driver_version(hardware.DRIVER_VERSION) if is_cuda else None,
        precision=precision,
        engine=engine,
        cudnn=torch.backends.cudnn.version() if is_cuda else None,
        max_mhz=None if is_cuda else hardware.clock_limit(),
        governor=None if is_cuda else hardware.governor(),
        runtime=_version(_PACKAGES.get(engine)),
    )


def _version(package: str | None) -> str | None:
    try:
        return None if package is None else version(package)
    except PackageNotFoundError:
        # Whether that is an error, the engine knows.
        return None


def same_device(first: DeviceIdentity, second: DeviceIdentity) -> bool:
    """Whether latencies of the two may be compared."""
    return first.key == second.key
