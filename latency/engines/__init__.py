"""Engines: what runs a network on a device, by name."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from latency.errors import LatencyError

if TYPE_CHECKING:
    from latency.engines.engine import Engine

_ENGINES = {
    "onnxruntime": ("onnx_runtime", "OnnxRuntime"),
    "tensorrt": ("tensorrt", "TensorRT"),
    "torch": ("eager", "Eager"),
    "torch.compile": ("compiled", "Compiled"),
    "cuda-graphs": ("cuda_graphs", "CudaGraphs"),
}


def engine_names() -> tuple[str, ...]:
    """The names of all engines, whether or not this machine can run them."""
    return tuple(_ENGINES)


def create_engine(name: str) -> Engine:
    """The engine of that name.

    Raises:
        LatencyError: If there is none.
    """
    if name not in _ENGINES:
        raise LatencyError(f"engine {name!r} is not known: use {', '.join(_ENGINES)}.")
    module, kind = _ENGINES[name]
    engine: Engine = getattr(importlib.import_module(f"{__name__}.{module}"), kind)()
    return engine
