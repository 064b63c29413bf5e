"""OpenVINO, on the CPU."""

from __future__ import annotations

from latency.engines.exported import FormatEngine


class OpenVino(FormatEngine):
    """Runs an ONNX file or one of OpenVINO's own, in float32."""

    name = "openvino"
    takes_onnx = True
    on_cpu = "openvino"
    reference = "onnxruntime"
