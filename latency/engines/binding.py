"""What the onnxruntime engines on a GPU share: a stream and tensors that stay there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import onnxruntime
import torch

from latency.devices.device import Device, check_present
from latency.engines.clocks import CudaClock
from latency.engines.engine import Prepared, Source, noise_image
from latency.errors import LatencyError


@contextmanager
def on_stream(device: Device) -> Iterator[torch.cuda.Stream]:
    """A stream of its own on a GPU, so that events can be put around what runs there.

    Raises:
        UnavailableError: If torch does not see the GPU.
    """
    check_present(device)
    with torch.cuda.device(device.index):
        stream = torch.cuda.Stream()
        with torch.cuda.stream(stream):
            yield stream


def bound(
    session: onnxruntime.InferenceSession,
    input_shape: Sequence[int],
    device: Device,
    stream: torch.cuda.Stream,
) -> Prepared:
    """A session whose input and outputs lie on the GPU, so that no copy is timed."""
    binding = session.io_binding()
    image = onnxruntime.OrtValue.ortvalue_from_numpy(
        noise_image(input_shape), device.kind, device.index
    )
    binding.bind_ortvalue_input(session.get_inputs()[0].name, image)
    for output in session.get_outputs():
        binding.bind_output(output.name, device.kind, device.index)

    def run() -> None:
        session.run_with_iobinding(binding)
        binding.synchronize_outputs()

    return Prepared(run=run, clock=CudaClock(stream), provider=session.get_providers()[0])


def onnx_file_of(source: Source, engine: str) -> Path:
    """The source as an ONNX file.

    Raises:
        LatencyError: If it is a network of PyTorch.
    """
    if isinstance(source, Path):
        return source
    raise LatencyError(f"the engine {engine} runs ONNX files: export the network first.")
