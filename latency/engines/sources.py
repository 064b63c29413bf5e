"""A network of PyTorch in the form that an engine takes."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from torch import nn

from latency.engines.engine import Engine, Source
from latency.exporting.export import export_onnx


@contextmanager
def source_for(engine: Engine, model: nn.Module, input_shape: Sequence[int]) -> Iterator[Source]:
    """The network itself, or an ONNX file of it that goes at the end of the context.

    Raises:
        ExportError: If it cannot be exported.
    """
    if not engine.takes_onnx:
        yield model
        return
    with tempfile.TemporaryDirectory() as folder:
        yield export_onnx(model, input_shape, Path(folder, "model.onnx"))
