"""A recording as an ONNX file, as the exporter writes it."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import torch
from torch import Tensor
from torch.onnx.errors import OnnxExporterError

from latency.errors import ExportError
from latency.exporting.norm_folding import fold_batch_norm
from latency.exporting.recording import Recording


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


@contextlib.contextmanager
def _quiet_exporter() -> Iterator[None]:
    # A failing export prints its whole graph, and the exporter itself turns this log on.
    log = torch._C._jit_onnx_log
    torch._C._jit_onnx_log = lambda *_: None
    try:
        yield
    finally:
        torch._C._jit_onnx_log = log
