"""PyTorch, compiled for one input shape."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import cast

import torch
from torch import nn
from torch._dynamo.exc import TorchDynamoException

from latency.devices.device import Placement
from latency.engines.eager import OnDevice, on_device, prepared
from latency.engines.engine import Prepared, Source, network_of
from latency.errors import LatencyError
from latency.exporting.recording import Recording


class Compiled:
    """Runs what torch.compile makes of a network."""

    name = "torch.compile"
    takes_onnx = False
    predictable = False
    on_cpu = "torch.compile"
    reference = "torch"

    @contextmanager
    def prepare(
        self, source: Source, input_shape: Sequence[int], placement: Placement
    ) -> Iterator[Prepared]:
        """Compiles the network, which takes half a minute or more."""
        with on_device(network_of(source, self.name), input_shape, placement) as placed:
            try:
                yield prepared(_compile(placed), placed, "torch.compile")
            finally:
                # Otherwise every network ever compiled would stay in memory.
                torch.compiler.reset()


def _compile(placed: OnDevice) -> nn.Module:
    # A recording is one straight line for one shape: nothing to compile twice, and no kernels of
    # our own that the compiler cannot look into.
    with torch.inference_mode(mode=False):
        recording = Recording.of(placed.network, placed.image).eval()
    network = cast(nn.Module, torch.compile(recording, dynamic=False, fullgraph=True))
    try:
        # The first call compiles.
        network(placed.image)
    except TorchDynamoException as error:
        reason = str(error).strip().splitlines()[0]
        raise LatencyError(
            f"torch.compile cannot compile the network ({reason}): use the engine torch, or "
            "install a C++ compiler if it is that what is missing."
        ) from error
    return network
