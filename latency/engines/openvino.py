"""OpenVINO, on the CPU."""

from __future__ import annotations

from pathlib import Path

from latency.devices.identity import INT8
from latency.engines.exported import FormatEngine
from latency.errors import LatencyError


class OpenVino(FormatEngine):
    """Runs an ONNX file or one of OpenVINO's own, in float32."""

    name = "openvino"
    takes_onnx = True
    on_cpu = "openvino"
    reference = "onnxruntime"

    def _check(self, path: Path, suffix: str) -> None:
        from latency.onnx_files.file import OnnxFile

        super()._check(path, suffix)
        if path.suffix != suffix and OnnxFile.read(path).precision == INT8:
            # OpenVINO 2026.4.1 ends the process with a segmentation fault on some of them.
            raise LatencyError(
                f"{path}: the engine openvino runs float32 files alone; use onnxruntime for int8."
            )
