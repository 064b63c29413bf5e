"""Parameters and multiply-accumulates as NAS-Bench-201 published them.

Both count every operation that the cell names, whether or not it can contribute. A batch norm has
two parameters for a channel and counts as two multiply-accumulates for every value, so a layer
costs its parameters at every pixel of its output. Global average pooling counts as one for every
value; ReLU, the other pools and sums as none.
"""

from __future__ import annotations

from itertools import pairwise

from search_spaces.cells.stem import half
from search_spaces.nasbench201.form import Edges
from search_spaces.nasbench201.sizes import Sizes

_TAPS = {"nor_conv_1x1": 1, "nor_conv_3x3": 9}

_Layers = list[tuple[int, int]]
"""Parameters of layers, and the strides of their outputs, in pixels of the image."""


def published_parameters(edges: Edges, sizes: Sizes, num_classes: int, in_channels: int) -> int:
    """Parameters of the whole network."""
    layers = _layers(edges, sizes, in_channels)
    classifier = (sizes.widths[-1] + 1) * num_classes
    return sum(parameters for parameters, _ in layers) + classifier


def published_macs(
    edges: Edges, sizes: Sizes, num_classes: int, in_channels: int, size: int
) -> int:
    """Multiply-accumulates for one image of size x size pixels."""
    layers = _layers(edges, sizes, in_channels)
    last = sizes.widths[-1]
    layers.append((last, 4 * sizes.stem_stride))
    at_pixels = sum(parameters * (-(-size // stride)) ** 2 for parameters, stride in layers)
    return at_pixels + last * num_classes


def _layers(edges: Edges, sizes: Sizes, in_channels: int) -> _Layers:
    layers = _stem(sizes, in_channels)
    strides = [sizes.stem_stride * factor for factor in (1, 2, 4)]
    for width, stride in zip(sizes.widths, strides, strict=True):
        cell = sum(_convolution(_TAPS[word], width, width) for word in edges if word in _TAPS)
        layers.append((sizes.cells * cell, stride))
    for (width, wider), stride in zip(pairwise(sizes.widths), strides[1:], strict=True):
        residual = _convolution(9, width, wider) + _convolution(9, wider, wider)
        layers.append((residual + width * wider, stride))
    layers.append((2 * sizes.widths[-1], strides[-1]))
    return layers


def _stem(sizes: Sizes, in_channels: int) -> _Layers:
    if sizes.stem == "cifar":
        return [(_convolution(9, in_channels, sizes.channels), 1)]
    between = half(sizes.channels)
    return [
        (_convolution(9, in_channels, between), 2),
        (_convolution(9, between, sizes.channels), 4),
    ]


def _convolution(taps: int, inputs: int, outputs: int) -> int:
    """Parameters of a convolution with batch norm."""
    return taps * inputs * outputs + 2 * outputs
