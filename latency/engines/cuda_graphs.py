"""PyTorch with all kernels of a run launched at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch

from latency.devices.device import Placement
from latency.engines.eager import on_device
from latency.engines.engine import Prepared, Source, network_of
from latency.errors import LatencyError

_RUNS_BEFORE_CAPTURE = 3


class CudaGraphs:
    """Captures a run as a CUDA graph and replays it.

    Small networks at batch 1 are bound by the launches of their kernels, which a graph makes one
    (https://pytorch.org/blog/accelerating-pytorch-with-cuda-graphs/).
    """

    name = "cuda-graphs"
    takes_onnx = False
    predictable = True
    on_cpu = "torch"
    reference = "torch"

    @contextmanager
    def prepare(
        self, source: Source, input_shape: Sequence[int], placement: Placement
    ) -> Iterator[Prepared]:
        """Runs the network a few times on its stream, then captures it there."""
        if placement.device.kind != "cuda":
            raise LatencyError(f"the engine {self.name} runs on GPUs only: use a cuda device.")
        with on_device(network_of(source, self.name), input_shape, placement) as placed:
            stream = placed.stream
            assert stream is not None  # on_device gives one on every GPU
            # Lazy initialisation and cuDNN's search cannot be captured.
            for _ in range(_RUNS_BEFORE_CAPTURE):
                placed.network(placed.image)
            stream.synchronize()
            graph = torch.cuda.CUDAGraph()
            try:
                with torch.cuda.graph(graph, stream=stream):
                    placed.network(placed.image)
            except RuntimeError as error:
                reason = str(error).strip().splitlines()[0]
                raise LatencyError(
                    f"the network cannot be captured as a CUDA graph ({reason}): use the engine "
                    "torch."
                ) from error

            def run() -> None:
                graph.replay()
                stream.synchronize()

            yield Prepared(run=run, clock=placed.clock, provider="CUDA graph")
