"""TensorRT, by its provider in onnxruntime."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from latency.devices.device import Placement
from latency.engines.binding import bound, on_stream, onnx_file_of
from latency.engines.engine import Prepared, Source
from latency.errors import LatencyError
from latency.onnx_files.sessions import Provider, open_on

PROVIDER = "TensorrtExecutionProvider"


class TensorRT:
    """Runs an ONNX file with the TensorRT provider of onnxruntime, in float32 or int8."""

    name = "tensorrt"
    takes_onnx = True
    predictable = False
    on_cpu = "onnxruntime"
    reference = "onnxruntime"

    @contextmanager
    def prepare(
        self, source: Source, input_shape: Sequence[int], placement: Placement
    ) -> Iterator[Prepared]:
        """Builds TensorRT's engine, which takes seconds to minutes."""
        path, device = onnx_file_of(source, self.name), placement.device
        if device.kind != "cuda":
            raise LatencyError(f"the engine {self.name} runs on GPUs only: use a cuda device.")
        with on_stream(device) as stream:
            options: dict[str, str | int] = {
                "device_id": device.index,
                "user_compute_stream": str(stream.cuda_stream),
                "trt_fp16_enable": "False",
            }
            session = open_on(Provider(PROVIDER, options), path, placement)
            yield bound(session, input_shape, device, stream)
