"""The network that every measurement is interleaved with."""

from __future__ import annotations

import functools
import math
import tempfile
from pathlib import Path

import torch
from torch import nn

from latency.exporting import export_onnx

INPUT_SHAPE = (1, 16, 32, 32)


def reference_network() -> nn.Module:
    """Convolutions of the kinds that small networks are made of, 46 million MACs in all.

    About a millisecond on one core: long enough to be timed, short enough to add little. Its
    weights are the same every time.
    """
    network = nn.Sequential(
        nn.Conv2d(16, 32, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(32, 32, 5, padding=2, groups=32),
        nn.ReLU(),
        nn.Conv2d(32, 64, 1),
        nn.ReLU(),
        nn.Conv2d(64, 64, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(64, 16, 1),
    )
    generator = torch.Generator().manual_seed(0)
    for parameter in network.parameters():
        bound = 1 / math.sqrt(parameter[0].numel())
        nn.init.uniform_(parameter, -bound, bound, generator=generator)
    return network.eval()


@functools.cache
def reference_onnx() -> bytes:
    """The same network as an ONNX file."""
    with tempfile.TemporaryDirectory() as folder:
        return export_onnx(
            reference_network(), INPUT_SHAPE, Path(folder, "model.onnx")
        ).read_bytes()
