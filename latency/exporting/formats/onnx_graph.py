"""ONNX, run by onnxruntime."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
from torch import Tensor, nn

from latency.exporting.export import OPSET, export_onnx
from latency.exporting.formats.format import Format, Opened
from latency.onnx_files.sessions import open_session


class Onnx(Format):
    """Open Neural Network Exchange.

    Args:
        opset: Version of the operators.
    """

    name = "onnx"
    title = "ONNX"
    suffix = ".onnx"
    packages = ("onnx", "onnxruntime-gpu", "onnxruntime")
    engine = "onnxruntime"

    def __init__(self, opset: int = OPSET) -> None:
        self._opset = opset

    def write(
        self, network: nn.Module, image: Tensor, path: Path, metadata: Mapping[str, str]
    ) -> None:
        export_onnx(network, tuple(image.shape), path, self._opset, dtype=image.dtype)
        model = onnx.load(path)
        onnx.helper.set_model_props(model, dict(metadata))
        onnx.save(model, path)

    def open(self, path: Path, threads: int = 1) -> Opened:
        session = open_session(path, "cpu", threads)
        (taken,) = session.get_inputs()

        def run(images: np.ndarray) -> np.ndarray:
            logits: np.ndarray = session.run(None, {taken.name: images})[0]
            return logits

        # An open batch is run with one image.
        shape = tuple(size if isinstance(size, int) else 1 for size in taken.shape)
        return Opened(run, shape, np.dtype("uint8" if "uint8" in taken.type else "float32"))
