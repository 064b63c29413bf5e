"""onnxruntime, on a CPU or on a GPU by CUDA."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from latency.devices.device import Placement
from latency.engines.binding import bound, on_stream, onnx_file_of
from latency.engines.clocks import cpu_clock
from latency.engines.engine import Prepared, Source, noise_image
from latency.onnx_files.sessions import cuda_provider, open_on, open_session


class OnnxRuntime:
    """Runs an ONNX file with the CPU or the CUDA provider of onnxruntime."""

    name = "onnxruntime"
    takes_onnx = True
    predictable = True
    on_cpu = "onnxruntime"
    reference = "onnxruntime"

    @contextmanager
    def prepare(
        self, source: Source, input_shape: Sequence[int], placement: Placement
    ) -> Iterator[Prepared]:
        """Opens a session; on a GPU, the image and the outputs stay there."""
        path, device = onnx_file_of(source, self.name), placement.device
        if device.kind == "cuda":
            with on_stream(device) as stream:
                provider = cuda_provider(device, stream.cuda_stream)
                yield bound(open_on(provider, path, placement), input_shape, device, stream)
            return
        session = open_session(path, str(device), placement.threads)
        (taken,) = session.get_inputs()
        dtype = "uint8" if "uint8" in taken.type else "float32"
        feed = {taken.name: noise_image(input_shape, dtype)}
        yield Prepared(
            run=lambda: session.run(None, feed),
            clock=cpu_clock(placement),
            provider=session.get_providers()[0],
        )
