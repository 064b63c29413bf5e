"""What a network costs: parameters, multiply-accumulates, latency, and its ONNX export.

The names below are loaded when they are first used, so that importing the package is cheap.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from latency.counting import Counts, count, count_of_maps
    from latency.device import Device, DeviceIdentity, identify, parse_device, same_device
    from latency.errors import ExportError, LatencyError
    from latency.exporting import check_onnx, export_onnx
    from latency.measuring import Latency, device_lock, measure, measure_onnx
    from latency.thop_check import CountWarning, CrossCheck, cross_check

__all__ = [
    "CountWarning",
    "Counts",
    "CrossCheck",
    "Device",
    "DeviceIdentity",
    "ExportError",
    "Latency",
    "LatencyError",
    "check_onnx",
    "count",
    "count_of_maps",
    "cross_check",
    "device_lock",
    "export_onnx",
    "identify",
    "measure",
    "measure_onnx",
    "parse_device",
    "same_device",
]

_MODULES = {
    "counting": ("Counts", "count", "count_of_maps"),
    "device": ("Device", "DeviceIdentity", "identify", "parse_device", "same_device"),
    "errors": ("ExportError", "LatencyError"),
    "exporting": ("check_onnx", "export_onnx"),
    "measuring": ("Latency", "device_lock", "measure", "measure_onnx"),
    "thop_check": ("CountWarning", "CrossCheck", "cross_check"),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULE_OF[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
