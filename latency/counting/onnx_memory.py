"""Peak memory of an ONNX file, counted from its graph."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import onnx
from onnx import TensorProto
from onnx.shape_inference import InferenceError

from latency.counting.peak_memory import Memory, Step, peak_bytes
from latency.errors import LatencyError
from latency.onnx_files.file import OnnxFile

_OVERWRITE = {"Add", "Clip", "Div", "Elu", "HardSigmoid", "HardSwish", "Mul", "Relu", "Sigmoid"}
_OVERWRITE |= {"LeakyRelu", "Sub", "Tanh"}
"""Operators whose result may take the place of their argument."""
_VIEWS = {"DequantizeLinear", "Flatten", "Identity", "Reshape", "Squeeze", "Unsqueeze"}
"""Operators whose result is their argument, or is never made: a runtime reads int8 as it is."""


def count_onnx_memory(path: Path | str, input_shape: Sequence[int] | None = None) -> Memory:
    """Counts the memory of a forward pass of an ONNX file, as `count_memory` does.

    Quantised values take one byte each: a runtime computes what lies between quantisation nodes in
    int8.

    Args:
        path: The ONNX file.
        input_shape: Shape N, C, H, W of the input; needed where the file leaves the batch open.

    Raises:
        LatencyError: If the file is missing or is no network, or sizes in it are not known.
    """
    file = OnnxFile.read(Path(path))
    graph = _with_shapes(file, file.input_shape(input_shape))
    weights = {tensor.name: _tensor_bytes(tensor) for tensor in graph.initializer}
    sizes = _value_bytes(graph)
    steps = list(_steps(graph, sizes, set(weights), file.path))
    inputs = {value.name: sizes[value.name] for value in graph.input if value.name not in weights}
    return Memory(
        weights=sum(weights.values()),
        activations=peak_bytes(inputs, steps, [value.name for value in graph.output]),
    )


def _with_shapes(file: OnnxFile, shape: Sequence[int]) -> onnx.GraphProto:
    model = onnx.ModelProto()
    model.CopyFrom(file.model)
    for size, length in zip(model.graph.input[0].type.tensor_type.shape.dim, shape, strict=True):
        size.dim_value = length
    try:
        return onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    except InferenceError as error:
        raise LatencyError(
            f"{file.path}: the sizes in it are not known, as it has operators outside the standard."
        ) from error


def _value_bytes(graph: onnx.GraphProto) -> dict[str, int]:
    """Bytes of every value whose shape is known."""
    found = {}
    for value in (*graph.input, *graph.value_info, *graph.output):
        kind = value.type.tensor_type
        lengths = [size.dim_value for size in kind.shape.dim]
        if kind.HasField("shape") and all(lengths):
            found[value.name] = math.prod(lengths) * _element_bytes(kind.elem_type)
    return found


def _steps(
    graph: onnx.GraphProto, sizes: dict[str, int], constants: set[str], path: Path
) -> Iterator[Step]:
    readers = Counter(name for node in graph.node for name in node.input)
    computed = {name for node in graph.node for name in node.output}
    quantised = {
        node.input[0]: node.output[0]
        for node in graph.node
        if node.op_type == "QuantizeLinear"
        and node.input[0] in computed
        and readers[node.input[0]] == 1
    }
    for node in graph.node:
        inputs = tuple(name for name in node.input if name and name not in constants)
        if not inputs:
            # Quantised weights: a constant, whatever reads it.
            constants.update(node.output)
            continue
        # What is only made to be quantised is made in int8.
        made = {name: quantised.get(name, name) for name in node.output if name}
        unknown = next((name for name in made.values() if name not in sizes), None)
        if unknown is not None:
            raise LatencyError(
                f"{path}: the size of {unknown} is not known: export it with a fixed input shape."
            )
        yield Step(
            inputs=inputs,
            outputs={name: sizes[size] for name, size in made.items()},
            overwrites=inputs if node.op_type in _OVERWRITE else (),
            is_view=node.op_type in _VIEWS or node.input[0] in quantised,
        )


def _tensor_bytes(tensor: TensorProto) -> int:
    return math.prod(tensor.dims) * _element_bytes(tensor.data_type)


def _element_bytes(kind: int) -> int:
    return onnx.helper.tensor_dtype_to_np_dtype(kind).itemsize
