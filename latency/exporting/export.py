"""A network as an ONNX file that needs nothing of ours."""

from __future__ import annotations

import contextlib
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn
from torch.onnx.errors import OnnxExporterError

from latency.errors import ExportError
from latency.exporting.comparison import largest_difference
from latency.exporting.norm_folding import fold_batch_norm
from latency.exporting.recording import Recording
from latency.exporting.simplifying import fold
from latency.network import check_input_shape, deployed_copy, on_cpu
from latency.onnx_files.sessions import RUN_ERRORS, open_session

INPUT_NAME = "image"
OUTPUT_NAME = "logits"
BATCH_NAME = "batch"
OPSETS = range(16, 21)
OPSET = 18
_COPY = 0
"""In the target shape of a Reshape: the size that the input has there."""
_INFER = -1
"""In the target shape of a Reshape: the size that follows from all others."""


def export_onnx(
    model: nn.Module,
    input_shape: Sequence[int],
    path: Path | str,
    opset: int = OPSET,
    dynamic_batch: bool = False,
    dtype: torch.dtype = torch.float32,
) -> Path:
    """Writes the network, in evaluation mode, to a single ONNX file.

    The input is called "image" (of the given shape), the output "logits". Batch norm is
    folded into the convolutions, shapes into constants. The file appears complete or not at all.

    Args:
        model: The whole deployed network; it is not changed.
        input_shape: Shape N, C, H, W of the input, which the file is fixed to.
        path: Where the file goes; missing folders are made.
        opset: Version of the ONNX operators, 16 to 20.
        dynamic_batch: Leaves the first size of input and output open, under the name "batch", and
            tries the file on batches of two sizes.
        dtype: Number format of the input: float32, or uint8 for a network that takes images as
            they are.

    Returns:
        The path.

    Raises:
        ExportError: If an operation of the network cannot be exported, the opset is unknown, or the
            batch was to be open and the network computes something else for other batches.
        LatencyError: If the shape is not four positive integers.
    """
    if opset not in OPSETS:
        raise ExportError(f"opset {opset} is not known: use {OPSETS[0]} to {OPSETS[-1]}.")
    shape = check_input_shape(input_shape)
    if dynamic_batch and dtype != torch.float32:
        raise ExportError("a network that takes images as they are has no open batch.")
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    network = on_cpu(model)
    with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as folder:
        traced, folded = Path(folder, "traced.onnx"), Path(folder, "folded.onnx")
        if dynamic_batch:
            _trace(network, torch.zeros((1, *shape[1:])), traced, opset, {0: BATCH_NAME})
            fold(traced, folded, onnx_inputs((BATCH_NAME, *shape[1:])))
            open_batch(folded)
            _check_batches(network, folded, shape)
        else:
            _trace(network, torch.zeros(shape, dtype=dtype), traced, opset, {})
            fold(traced, folded, onnx_inputs(shape))
        folded.replace(target)
    return target


def check_onnx(
    model: nn.Module, path: Path | str, input_shape: Sequence[int], tolerance: float = 1e-4
) -> float:
    """Compares an ONNX file with the network, on noise and on constant images.

    Args:
        model: The network that was exported; it is not changed.
        path: The ONNX file.
        input_shape: Shape N, C, H, W that the file was exported with.
        tolerance: Largest difference that is accepted, as a share of the largest output, or
            absolute where no output is above 1.

    Returns:
        The largest absolute difference found.

    Raises:
        ExportError: If it is above the tolerance, or the outputs differ in shape.
        LatencyError: If the file is missing or is not a network.
    """
    shape = check_input_shape(input_shape)
    network = deployed_copy(model, "cpu")
    session = open_session(Path(path), "cpu")
    name = session.get_inputs()[0].name

    def run(images: np.ndarray) -> np.ndarray:
        found: np.ndarray = session.run(None, {name: images})[0]
        return found

    try:
        return largest_difference(network, run, _images(shape), tolerance)
    except ExportError as error:
        raise ExportError(f"{path}: {error}") from error


def trace_onnx(
    recording: Recording,
    inputs: tuple[Tensor, ...],
    path: Path,
    opset: int,
    input_names: Sequence[str],
    output_names: Sequence[str],
    open_sizes: Mapping[int, str] = MappingProxyType({}),
) -> None:
    """Writes a recording, with batch norm folded and every size still a chain of nodes.

    A search exports many candidates, so time matters. MobileNetV2 with a decoder of 28 convolutions
    took the TorchScript exporter 0.9 s and the dynamo one 6.6 s on one core; after folding both
    graphs have the same number of nodes. Without the recording, the TorchScript exporter refuses
    kernels that are cropped or merged in the forward pass.

    Args:
        recording: Of a network, or of a part of one.
        inputs: Of the recorded shapes.
        path: Where the file goes.
        opset: Version of the ONNX operators.
        input_names: Names for the inputs.
        output_names: Names for the outputs.
        open_sizes: Names for sizes that are left open, by their place in every shape.

    Raises:
        ExportError: If an operation cannot be exported.
    """
    open_axes = {name: dict(open_sizes) for name in (*input_names, *output_names)}
    try:
        with torch.no_grad(), warnings.catch_warnings(), _quiet_exporter():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                fold_batch_norm(recording).eval(),
                inputs,
                path,
                dynamo=False,
                do_constant_folding=False,
                opset_version=opset,
                input_names=list(input_names),
                output_names=list(output_names),
                dynamic_axes=open_axes,
            )
    except OnnxExporterError as error:
        reason = str(error).strip().splitlines()[0].split("  [Caused by")[0]
        raise ExportError(f"the network cannot be exported to ONNX: {reason}") from error


def onnx_inputs(shape: Sequence[int | str]) -> list[onnx.ValueInfoProto]:
    """The input of an exported network, as its graph declares it."""
    return [onnx.helper.make_tensor_value_info(INPUT_NAME, onnx.TensorProto.FLOAT, shape)]


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


def _check_batches(network: nn.Module, path: Path, shape: tuple[int, ...]) -> None:
    try:
        for batch in (1, 3):
            check_onnx(network, path, (batch, *shape[1:]))
    except (ExportError, *RUN_ERRORS) as error:
        reason = " ".join(str(error).split())
        raise ExportError(
            "the exported network does not take batches of any size, so export it with a fixed one "
            f"({reason})."
        ) from error


def _trace(
    network: nn.Module, image: Tensor, path: Path, opset: int, open_sizes: dict[int, str]
) -> None:
    recording = Recording.of(network, image)
    trace_onnx(recording, (image,), path, opset, (INPUT_NAME,), (OUTPUT_NAME,), open_sizes)


@contextlib.contextmanager
def _quiet_exporter() -> Iterator[None]:
    # A failing export prints its whole graph, and the exporter itself turns this log on.
    log = torch._C._jit_onnx_log
    torch._C._jit_onnx_log = lambda *_: None
    try:
        yield
    finally:
        torch._C._jit_onnx_log = log


def _images(shape: tuple[int, ...]) -> Iterator[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    yield torch.randn(shape, generator=generator)
    yield torch.rand(shape, generator=generator)
    for value in (-1.0, 0.0, 1.0):
        yield torch.full(shape, value)
