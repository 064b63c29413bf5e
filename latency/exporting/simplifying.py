"""ONNX graphs with fewer nodes that compute the same."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import onnxruntime

from latency.errors import ExportError
from latency.onnx_files.file import OnnxFile
from latency.onnx_files.sessions import CPU, open_session, session_options

_TOLERANCE = 1e-4


def simplify_onnx(
    path: Path | str, out: Path | str, input_shape: Sequence[int] | None = None
) -> Path:
    """Writes an ONNX file with constants computed and batch norm folded.

    `export_onnx` does that by itself; this is for files from elsewhere. Both files are run on noise
    and must give the same.

    Args:
        path: The ONNX file.
        out: Where the simpler one goes, complete or not at all; it may be the same.
        input_shape: Shape N, C, H, W to try both with; needed where the file leaves the batch open.

    Returns:
        The path of the simpler file.

    Raises:
        ExportError: If the outputs differ by more than 1e-4 of the largest one.
        LatencyError: If the file is missing or is no network with one float32 image as its input.
    """
    file, target = OnnxFile.read(Path(path)), Path(out)
    shape = file.input_shape(input_shape)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as folder:
        simple = Path(folder, "simple.onnx")
        fold(file.path, simple, list(file.model.graph.input))
        _check_same(file.path, simple, shape)
        simple.replace(target)
    return target


def fold(source: Path, target: Path, inputs: Sequence[onnx.ValueInfoProto]) -> None:
    """Computes whatever does not depend on the input, and keeps to standard operators.

    Tracing turns every size into a chain of nodes, two thirds of the graph. The basic level of
    onnxruntime folds them in a tenth of a second; onnxscript's optimiser finds nothing more.

    Args:
        source: An ONNX file.
        target: Where the folded one goes.
        inputs: Of the network, which may not use them.
    """
    options = session_options(threads=1)
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(target)
    onnxruntime.InferenceSession(str(source), options, providers=[CPU])
    model = onnx.load(target)
    # onnxruntime lists every operator set that it knows, which other runtimes may refuse.
    used = {"", *(node.domain for node in model.graph.node)}
    imports = [entry for entry in model.opset_import if entry.domain in used]
    del model.opset_import[:]
    model.opset_import.extend(imports)
    # A network that ignores its input loses it in folding.
    if not model.graph.input:
        model.graph.input.extend(inputs)
    onnx.save(model, target)


def _check_same(first: Path, second: Path, shape: Sequence[int]) -> None:
    image = np.random.default_rng(0).standard_normal(tuple(shape), dtype=np.float32)
    expected, found = (_outputs(path, image) for path in (first, second))
    for before, after in zip(expected, found, strict=True):
        allowed = _TOLERANCE * max(1.0, float(np.abs(before).max()))
        difference = float(np.abs(before - after).max())
        if not difference <= allowed:
            raise ExportError(
                f"{first}: simplified, its outputs differ by up to {difference:.2g}: keep the file "
                "as it is."
            )


def _outputs(path: Path, image: np.ndarray) -> list[np.ndarray]:
    session = open_session(path, "cpu")
    outputs: list[np.ndarray] = session.run(None, {session.get_inputs()[0].name: image})
    return outputs
