"""Engines: what runs a network on a device, by name.

An engine of one's own is a class with what `latency.engines.engine.Engine` asks for. The decorator
`register` makes it known by its name; without that, it is known by its import path,
``package.module:Name`` or ``path/to/file.py:Name``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from latency.errors import LatencyError
from open_registry import Registry, UnknownNameError

if TYPE_CHECKING:
    from latency.engines.engine import Engine

_ATTRIBUTES = {
    "name": str,
    "takes_onnx": bool,
    "predictable": bool,
    "on_cpu": str,
    "reference": str,
}


def _complaint(found: Any) -> str | None:
    if not isinstance(found, type) or not callable(getattr(found, "prepare", None)):
        return "must be a class with a method prepare"
    for attribute, kind in _ATTRIBUTES.items():
        if not isinstance(getattr(found, attribute, None), kind):
            return f"must have the class attribute {attribute!r}, a {kind.__name__}"
    return None


ENGINES: Registry[type[Engine]] = Registry(
    "engine",
    {
        "onnxruntime": "latency.engines.onnx_runtime:OnnxRuntime",
        "tensorrt": "latency.engines.tensorrt:TensorRT",
        "torch": "latency.engines.eager:Eager",
        "torch.compile": "latency.engines.compiled:Compiled",
        "cuda-graphs": "latency.engines.cuda_graphs:CudaGraphs",
        "openvino": "latency.engines.openvino:OpenVino",
        "litert": "latency.engines.litert:LiteRt",
        "executorch": "latency.engines.executorch:ExecuTorch",
    },
    _complaint,
)

register = ENGINES.register
"""A decorator that makes an engine known by its name."""


def engine_names() -> tuple[str, ...]:
    """The names of all engines, whether or not this machine can run them."""
    return ENGINES.names()


def create_engine(name: str) -> Engine:
    """The engine of that name.

    Args:
        name: One of `engine_names()`, or the import path of an engine's class.

    Raises:
        LatencyError: If there is none.
    """
    try:
        return ENGINES.get(name)()
    except UnknownNameError as error:
        raise LatencyError(str(error)) from error


def predictable_engines() -> tuple[str, ...]:
    """The names of the engines whose latencies can be predicted."""
    return tuple(name for name in engine_names() if ENGINES.get(name).predictable)
