"""What a network costs: parameters, multiply-accumulates, latency, and its ONNX export.

The names below are loaded when they are first used, so that importing the package is cheap.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from latency.comparing import Comparison, Variant, compare_quantised
    from latency.costs import Cost, Figure, cost_names, create_cost
    from latency.counting import Counts, count, count_of_maps
    from latency.cuda_memory import measure_cuda_memory
    from latency.device import Device, parse_device
    from latency.energy import Energy, measure_energy, measure_onnx_energy
    from latency.engines import create_engine, engine_names
    from latency.errors import (
        ExportError,
        FallbackWarning,
        LatencyError,
        NoiseWarning,
        UnavailableError,
    )
    from latency.exporting import check_onnx, export_onnx
    from latency.figures import Latency
    from latency.identity import DeviceIdentity, identify, same_device
    from latency.locking import device_lock
    from latency.measuring import measure, measure_onnx
    from latency.memory import Memory, count_memory
    from latency.noise import Noise
    from latency.onnx_batches import predictor
    from latency.onnx_memory import count_onnx_memory
    from latency.quantising import quantise_onnx, signal_to_noise
    from latency.simplifying import simplify_onnx
    from latency.stem_exporting import StemExporter
    from latency.thop_check import CountWarning, CrossCheck, cross_check

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
    "cross_check",
    "device_lock",
    "engine_names",
    "export_onnx",
    "identify",
    "measure",
    "measure_cuda_memory",
    "measure_energy",
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
    "comparing": ("Comparison", "Variant", "compare_quantised"),
    "costs": ("Cost", "Figure", "cost_names", "create_cost"),
    "counting": ("Counts", "count", "count_of_maps"),
    "cuda_memory": ("measure_cuda_memory",),
    "device": ("Device", "parse_device"),
    "energy": ("Energy", "measure_energy", "measure_onnx_energy"),
    "engines": ("create_engine", "engine_names"),
    "errors": (
        "ExportError",
        "FallbackWarning",
        "LatencyError",
        "NoiseWarning",
        "UnavailableError",
    ),
    "exporting": ("check_onnx", "export_onnx"),
    "figures": ("Latency",),
    "identity": ("DeviceIdentity", "identify", "same_device"),
    "locking": ("device_lock",),
    "measuring": ("measure", "measure_onnx"),
    "memory": ("Memory", "count_memory"),
    "noise": ("Noise",),
    "onnx_batches": ("predictor",),
    "onnx_memory": ("count_onnx_memory",),
    "quantising": ("quantise_onnx", "signal_to_noise"),
    "simplifying": ("simplify_onnx",),
    "stem_exporting": ("StemExporter",),
    "thop_check": ("CountWarning", "CrossCheck", "cross_check"),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULE_OF[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
