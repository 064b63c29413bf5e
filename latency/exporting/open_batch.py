"""Graphs that were traced with one image, made ready for any number of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

_COPY = 0
"""In a target shape: the size that the input has there."""
_INFER = -1
"""In a target shape: the size that follows from all others."""


def open_batch(path: Path) -> None:
    """Lets reshaping keep the number of images, where it was traced as the constant 1.

    Args:
        path: An ONNX file, which is rewritten.
    """
    model = onnx.load(path)
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type != "Reshape" or node.input[1] not in constants:
            continue
        target = numpy_helper.to_array(constants[node.input[1]]).copy()
        if target.size and target[0] == 1:
            target[0] = _COPY if _INFER in target else _INFER
            # Another node may read the same constant.
            name = f"{node.output[0]}.shape"
            model.graph.initializer.append(numpy_helper.from_array(target.astype(np.int64), name))
            node.input[1] = name
    onnx.save(model, path)
