"""What an ONNX file says of its network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from latency.devices.identity import FLOAT32, INT8
from latency.errors import LatencyError
from latency.network import InputShape, check_input_shape

_QUANTISED = {"QuantizeLinear", "QLinearConv", "ConvInteger", "MatMulInteger"}


@dataclass(frozen=True)
class OnnxFile:
    """An ONNX file with one image as its input, float32 or uint8.

    Attributes:
        path: The file.
        model: What it holds; weights that lie in files beside it are not read.
    """

    path: Path
    model: onnx.ModelProto

    @classmethod
    def read(cls, path: Path) -> OnnxFile:
        """Reads a file.

        Raises:
            LatencyError: If it is missing, is no ONNX file, or has another input than an image.
        """
        if not path.is_file():
            raise LatencyError(f"{path}: no such file.")
        try:
            model = onnx.load(path, load_external_data=False)
        except DecodeError as error:
            raise LatencyError(f"{path}: this is no ONNX file.") from error
        inputs = [f"{value.name} {_kind(value)}" for value in _inputs(model)]
        if [_kind(value) for value in _inputs(model)] not in (["FLOAT"], ["UINT8"]):
            found = ", ".join(inputs) or "none"
            raise LatencyError(f"{path}: expected one float32 or uint8 input, found {found}.")
        return cls(path, model)

    @property
    def precision(self) -> str:
        """Number format of the computation: float32, or int8 where it has quantised operators."""
        kinds = {node.op_type for node in self.model.graph.node}
        return INT8 if kinds & _QUANTISED else FLOAT32

    @property
    def batch(self) -> int | None:
        """How many images it takes at once; None if any number."""
        sizes = _inputs(self.model)[0].type.tensor_type.shape.dim
        return sizes[0].dim_value or None if sizes else None

    @property
    def one_image(self) -> InputShape | None:
        """The shape of a single image, where the file leaves open how many there are, and no more.

        None for any other file.
        """
        sizes = _inputs(self.model)[0].type.tensor_type.shape.dim
        _, *image = (size.dim_value for size in sizes) if sizes else (0, 0)
        if self.batch is not None or len(image) != 3 or not all(image):
            return None
        return check_input_shape((1, *image))

    def input_shape(self, wanted: Sequence[int] | None = None) -> InputShape:
        """The shape N, C, H, W of the input.

        Args:
            wanted: The shape to run it with; needed where the file leaves a size open.

        Raises:
            LatencyError: If the file leaves a size open and none is wanted, or it does not take
                the wanted shape.
        """
        (value,) = _inputs(self.model)
        sizes = value.type.tensor_type.shape.dim
        declared = tuple(
            size.dim_value if size.HasField("dim_value") else size.dim_param for size in sizes
        )
        if wanted is None:
            if not all(isinstance(size, int) for size in declared):
                raise LatencyError(
                    f"{self.path}: input shape {declared} is not fixed: say which input shape is "
                    "meant."
                )
            return check_input_shape(declared)
        shape = check_input_shape(wanted)
        pairs = zip(declared, shape, strict=False)
        if len(declared) != 4 or any(type(size) is int and size != want for size, want in pairs):
            raise LatencyError(f"{self.path}: it takes inputs of shape {declared}, not {shape}.")
        return shape


def _inputs(model: onnx.ModelProto) -> list[onnx.ValueInfoProto]:
    constants = {tensor.name for tensor in model.graph.initializer}
    return [value for value in model.graph.input if value.name not in constants]


def _kind(value: onnx.ValueInfoProto) -> str:
    return onnx.TensorProto.DataType.Name(value.type.tensor_type.elem_type)
