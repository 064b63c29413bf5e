"""Parameter counts as FastNAS published them."""

from __future__ import annotations

from collections.abc import Sequence

from search_spaces.fastnas.form import Form
from search_spaces.fastnas.plan import make_plan
from search_spaces.fastnas.sizes import Sizes
from search_spaces.fastnas.vocabulary import OPERATIONS, Operation


def published_parameters(
    form: Form, sizes: Sizes, encoder_channels: Sequence[int], num_classes: int
) -> int:
    """Parameters of a decoder as the paper's code builds it, auxiliary heads included.

    It counts an adapter for every encoder output and every operation that the genotype names,
    whether or not it can contribute to the logits.
    """
    width = sizes.width
    numbers = [form.first, *(number for node in form.nodes for number in node[2:])]
    cell = sum(_operation(OPERATIONS[number], width, sizes.repeats) for number in numbers)
    classifier = (9 * width + 1) * num_classes
    adapters = sum(_projection(channels, width) for channels in encoder_channels)
    block = 2 * (cell + _projection(width, width))
    collected = len(make_plan(form, sizes.encoder_outputs).collected)
    head = _projection(collected * width, width) + classifier
    auxiliary = {"cell": cell + classifier, "classifier": classifier, "none": 0}[sizes.auxiliary]
    return adapters + sizes.cells * (block + auxiliary) + head


def _projection(channels: int, width: int) -> int:
    return channels * width + 2 * width


def _operation(operation: Operation, width: int, repeats: int) -> int:
    if operation.kind in ("skip", "none"):
        return 0
    if operation.kind == "separable":
        return repeats * (operation.kernel**2 * width + _projection(width, width))
    return operation.kernel**2 * width**2 + 2 * width
