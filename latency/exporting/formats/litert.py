"""LiteRT, formerly TensorFlow Lite, for Android and small devices."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from latency.errors import LatencyError
from latency.exporting.formats.format import Format, Opened, recorded


class LiteRt(Format):
    """A flat buffer with float32 weights, of the shape of one batch."""

    name = "litert"
    title = "LiteRT"
    suffix = ".tflite"
    extra = "litert"
    packages = ("litert-torch", "ai-edge-litert")
    tested = "litert-torch 0.10.0 and ai-edge-litert 2.3.0 with torch 2.13.0"
    engine = "litert"

    def write(
        self, network: nn.Module, image: Tensor, path: Path, metadata: Mapping[str, str]
    ) -> None:
        with self.imports():
            import litert_torch
        # The converter prints its progress.
        with self.conversion(), torch.no_grad(), contextlib.redirect_stdout(io.StringIO()):
            litert_torch.convert(recorded(network, image), (image,)).export(str(path))

    def open(self, path: Path, threads: int = 1) -> Opened:
        with self.imports():
            from ai_edge_litert.interpreter import Interpreter
        try:
            interpreter = Interpreter(str(path), num_threads=threads)
        except ValueError as error:
            raise LatencyError(f"{path}: this is no file of LiteRT.") from error
        interpreter.allocate_tensors()
        (taken,), (given,) = interpreter.get_input_details(), interpreter.get_output_details()

        def run(images: np.ndarray) -> np.ndarray:
            interpreter.set_tensor(taken["index"], images)
            interpreter.invoke()
            logits: np.ndarray = interpreter.get_tensor(given["index"])
            return logits

        shape = tuple(int(size) for size in taken["shape"])
        return Opened(run, shape, np.dtype(taken["dtype"]))
