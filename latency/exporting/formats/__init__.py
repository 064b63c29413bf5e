"""Formats of exported networks, by name.

A format of one's own is a subclass of `latency.exporting.formats.format.Format`. The decorator
`register` makes it known by its name; without that, it is known by its import path,
``package.module:Name`` or ``path/to/file.py:Name``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from latency.errors import LatencyError
from open_registry import Registry, UnknownNameError

if TYPE_CHECKING:
    from latency.exporting.formats.format import Format


def _complaint(found: Any) -> str | None:
    from latency.exporting.formats.format import Format

    if not isinstance(found, type) or not issubclass(found, Format):
        return "must be a subclass of latency.exporting.formats.format.Format"
    for attribute in ("name", "title", "suffix"):
        if not isinstance(getattr(found, attribute, None), str):
            return f"must have the class attribute {attribute!r}, a str"
    return None


FORMATS: Registry[type[Format]] = Registry(
    "format",
    {
        "onnx": "latency.exporting.formats.onnx_graph:Onnx",
        "torch.export": "latency.exporting.formats.torch_program:TorchProgram",
        "openvino": "latency.exporting.formats.openvino_ir:OpenVino",
        "litert": "latency.exporting.formats.litert:LiteRt",
        "coreml": "latency.exporting.formats.core_ml:CoreMl",
        "executorch": "latency.exporting.formats.executorch_program:ExecuTorch",
    },
    _complaint,
)

register = FORMATS.register
"""A decorator that makes a format known by its name."""


def format_names() -> tuple[str, ...]:
    """The names of all formats, whether or not this machine has their converters."""
    return FORMATS.names()


def create_format(name: str) -> Format:
    """The format of that name.

    Args:
        name: One of `format_names()`, or the import path of a format's class.

    Raises:
        LatencyError: If there is none.
    """
    try:
        return FORMATS.get(name)()
    except UnknownNameError as error:
        raise LatencyError(str(error)) from error
