"""OpenVINO's intermediate representation, for processors of Intel and others."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor, nn

from latency.errors import LatencyError
from latency.exporting.export import export_onnx
from latency.exporting.formats.format import Format, Opened


class OpenVino(Format):
    """An XML file with the graph and a ``.bin`` beside it with the weights, in float32.

    The network goes there by ONNX, in which batch norm is folded and all sizes are constants.
    """

    name = "openvino"
    title = "OpenVINO"
    suffix = ".xml"
    extra = "openvino"
    packages = ("openvino",)
    tested = "openvino 2026.4.1 with torch 2.13.0"
    engine = "openvino"

    def write(
        self, network: nn.Module, image: Tensor, path: Path, metadata: Mapping[str, str]
    ) -> None:
        openvino = self._library()
        with tempfile.TemporaryDirectory() as folder:
            onnx = export_onnx(
                network, tuple(image.shape), Path(folder, "model.onnx"), dtype=image.dtype
            )
            with self.conversion():
                # `convert_model` does the same, and reports its use to the makers of OpenVINO.
                model = openvino.Core().read_model(onnx)
                for key, value in metadata.items():
                    model.set_rt_info(value, ["model_info", key])
                openvino.save_model(model, path, compress_to_fp16=False)

    def open(self, path: Path, threads: int = 1) -> Opened:
        openvino = self._library()
        if not path.is_file():
            raise LatencyError(f"{path}: no such file.")
        try:
            compiled = openvino.Core().compile_model(
                path,
                "CPU",
                {
                    "INFERENCE_NUM_THREADS": threads,
                    "NUM_STREAMS": 1,
                    # Otherwise some processors compute in bfloat16.
                    "INFERENCE_PRECISION_HINT": "f32",
                },
            )
        except RuntimeError as error:
            raise LatencyError(f"{path}: OpenVINO cannot load it.") from error
        request, taken = compiled.create_infer_request(), compiled.inputs[0]

        def run(images: np.ndarray) -> np.ndarray:
            logits: np.ndarray = request.infer({0: images})[0].copy()
            return logits

        shape = tuple(size.get_length() if size.is_static else 1 for size in taken.partial_shape)
        return Opened(run, shape, np.dtype(taken.element_type.to_dtype()))

    def files(self, path: Path) -> tuple[Path, ...]:
        return (path, path.with_suffix(".bin"))

    def _library(self) -> Any:
        with self.imports():
            import openvino
        return openvino
