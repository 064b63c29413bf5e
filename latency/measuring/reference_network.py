"""The network that every measurement is interleaved with."""

from __future__ import annotations

import functools
import math
import tempfile
from pathlib import Path

import torch
from torch import nn

from latency.exporting.export import export_onnx

INPUT_SHAPE = (1, 16, 32, 32)


def reference_network() -> nn.Module:
    """Inverted residual blocks (https://arxiv.org/abs/1801.04381), 33 million MACs in all.

    About a millisecond on one core: long enough to be timed, short enough to add little. A busy
    neighbour slows depthwise convolutions by three fifths and dense ones by a fifth, and this
    mixture by a third, as it does with the networks that are searched. The weights are the same
    every time.
    """
    network = nn.Sequential(
        *_block(16, 96),
        nn.Conv2d(16, 64, 3, stride=2, padding=1),
        nn.ReLU6(),
        *_block(64, 256),
        *_block(64, 256),
        *_block(64, 256),
    )
    generator = torch.Generator().manual_seed(0)
    for parameter in network.parameters():
        bound = 1 / math.sqrt(parameter[0].numel())
        nn.init.uniform_(parameter, -bound, bound, generator=generator)
    return network.eval()


def _block(channels: int, wide: int) -> list[nn.Module]:
    """Without the addition, which would take a module of its own."""
    return [
        nn.Conv2d(channels, wide, 1),
        nn.ReLU6(),
        nn.Conv2d(wide, wide, 3, padding=1, groups=wide),
        nn.ReLU6(),
        nn.Conv2d(wide, channels, 1),
    ]


@functools.cache
def reference_onnx() -> bytes:
    """The same network as an ONNX file."""
    with tempfile.TemporaryDirectory() as folder:
        return export_onnx(
            reference_network(), INPUT_SHAPE, Path(folder, "model.onnx")
        ).read_bytes()
