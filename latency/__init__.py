"""What a network costs: parameters, multiply-accumulates, latency, and its ONNX export.

The names below are loaded when they are first used, so that importing the package is cheap.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from latency import costs as costs
    from latency import engines as engines
    from latency.costs import Cost, Figure, cost_names, create_cost
    from latency.counting.counts import Counts, count, count_of_maps
    from latency.counting.onnx_memory import count_onnx_memory
    from latency.counting.peak_memory import Memory, count_memory
    from latency.counting.thop_check import CountWarning, CrossCheck, cross_check
    from latency.devices.device import Device, device_lock, parse_device
    from latency.devices.identity import DeviceIdentity, identify, same_device
    from latency.engines import create_engine, engine_names
    from latency.errors import (
        ExportError,
        FallbackWarning,
        LatencyError,
        NoiseWarning,
        UnavailableError,
    )
    from latency.exporting.export import check_onnx, export_onnx
    from latency.exporting.formats import create_format, format_names
    from latency.exporting.int8 import quantise_onnx, signal_to_noise
    from latency.exporting.simplifying import simplify_onnx
    from latency.exporting.stem import StemExporter
    from latency.measuring.cuda_memory import measure_cuda_memory
    from latency.measuring.energy import Energy, measure_energy, measure_onnx_energy
    from latency.measuring.int8_comparison import Comparison, Variant, compare_quantised
    from latency.measuring.latency import Latency
    from latency.measuring.measure import measure, measure_exported, measure_onnx
    from latency.measuring.noise import Noise
    from latency.onnx_files.batches import predictor

__all__ = [
    "Comparison",
    "Cost",
    "CountWarning",
    "Counts",
    "CrossCheck",
    "Device",
    "DeviceIdentity",
    "Energy",
    "ExportError",
    "FallbackWarning",
    "Figure",
    "Latency",
    "LatencyError",
    "Memory",
    "Noise",
    "NoiseWarning",
    "StemExporter",
    "UnavailableError",
    "Variant",
    "check_onnx",
    "compare_quantised",
    "cost_names",
    "count",
    "count_memory",
    "count_of_maps",
    "count_onnx_memory",
    "create_cost",
    "create_engine",
    "create_format",
    "cross_check",
    "device_lock",
    "engine_names",
    "export_onnx",
    "format_names",
    "identify",
    "measure",
    "measure_cuda_memory",
    "measure_energy",
    "measure_exported",
    "measure_onnx",
    "measure_onnx_energy",
    "parse_device",
    "predictor",
    "quantise_onnx",
    "same_device",
    "signal_to_noise",
    "simplify_onnx",
]

_MODULES = {
    "measuring.int8_comparison": ("Comparison", "Variant", "compare_quantised"),
    "costs": ("Cost", "Figure", "cost_names", "create_cost"),
    "counting.counts": ("Counts", "count", "count_of_maps"),
    "measuring.cuda_memory": ("measure_cuda_memory",),
    "devices.device": ("Device", "device_lock", "parse_device"),
    "measuring.energy": ("Energy", "measure_energy", "measure_onnx_energy"),
    "engines": ("create_engine", "engine_names"),
    "errors": (
        "ExportError",
        "FallbackWarning",
        "LatencyError",
        "NoiseWarning",
        "UnavailableError",
    ),
    "exporting.export": ("check_onnx", "export_onnx"),
    "exporting.formats": ("create_format", "format_names"),
    "measuring.latency": ("Latency",),
    "devices.identity": ("DeviceIdentity", "identify", "same_device"),
    "measuring.measure": ("measure", "measure_exported", "measure_onnx"),
    "counting.peak_memory": ("Memory", "count_memory"),
    "measuring.noise": ("Noise",),
    "onnx_files.batches": ("predictor",),
    "counting.onnx_memory": ("count_onnx_memory",),
    "exporting.int8": ("quantise_onnx", "signal_to_noise"),
    "exporting.simplifying": ("simplify_onnx",),
    "exporting.stem": ("StemExporter",),
    "counting.thop_check": ("CountWarning", "CrossCheck", "cross_check"),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}


_OPEN = ("costs", "engines")
"""Modules with a decorator `register`, so that `import latency` is all that a user needs."""


def __getattr__(name: str) -> Any:
    if name in _OPEN:
        return importlib.import_module(f"{__name__}.{name}")
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULE_OF[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
