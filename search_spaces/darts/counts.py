"""Parameter counts as DARTS published them."""

from __future__ import annotations

from search_spaces.cells.plan import SKIP
from search_spaces.cells.stem import half
from search_spaces.darts.form import Cell, Form
from search_spaces.darts.sizes import Sizes


def published_parameters(form: Form, sizes: Sizes, num_classes: int, in_channels: int) -> int:
    """Parameters of the network as the paper's code builds it, without an auxiliary head.

    It adapts both inputs of every cell and concatenates all nodes, contributing or not.
    """
    total = _stem(sizes, in_channels)
    before_last, last = sizes.stem_channels, sizes.stem_channels
    for number in range(sizes.layers):
        width, reduces = sizes.width(number), sizes.is_reduction(number)
        total += _projection(before_last, width) + _projection(last, width)
        total += _cell(form.reduction if reduces else form.normal, width, reduces)
        before_last, last = last, sizes.nodes * width
    return total + (last + 1) * num_classes


def _cell(cell: Cell, width: int, reduces: bool) -> int:
    return sum(
        _operation(word, width, halves=reduces and source < 2)
        for node in cell
        for word, source in node
    )


def _operation(word: str, width: int, *, halves: bool) -> int:
    if word == SKIP:
        return _projection(width, width) if halves else 0
    kind, _, kernel = word.partition("_conv_")
    if not kernel:
        return 0
    taps = int(kernel[0]) ** 2
    repeats = {"sep": 2, "dil": 1}[kind]
    return repeats * (taps * width + _projection(width, width))


def _stem(sizes: Sizes, in_channels: int) -> int:
    outputs = sizes.stem_channels
    if sizes.stem == "cifar":
        return _convolution(in_channels, outputs)
    between = half(outputs)
    first = _convolution(in_channels, between) + _convolution(between, outputs)
    return first + _convolution(outputs, outputs)


def _convolution(inputs: int, outputs: int) -> int:
    return 9 * inputs * outputs + 2 * outputs


def _projection(inputs: int, outputs: int) -> int:
    """A 1×1 convolution with batch norm, or two of half the channels."""
    return inputs * outputs + 2 * outputs
