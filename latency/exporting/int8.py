"""Int8 from float32, by static quantisation."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
from onnxruntime import quantization

from latency.devices.identity import FLOAT32
from latency.errors import ExportError, LatencyError
from latency.onnx_files.batches import batches, predictor
from latency.onnx_files.file import OnnxFile

MINIMUM_DECIBELS = 10.0
"""Signal to noise below which an int8 network counts as broken."""
_PREPROCESSED = "onnx.quant.pre_process"


def quantise_onnx(path: Path | str, images: np.ndarray, out: Path | str) -> Path:
    """Writes an int8 version of a float32 ONNX file.

    Weights are int8 with a scale per output channel, activations uint8 with a scale per tensor that
    is taken from the extremes over the calibration images; quantisation stands in the file as
    QuantizeLinear and DequantizeLinear nodes
    (https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html). Weights use
    seven of the eight bits: on processors without VNNI, sums of two products would overflow
    otherwise, which costs far more than the bit.

    Args:
        path: The float32 ONNX file, as `export_onnx` writes it.
        images: Calibration images as the network gets them, normalised: float32, N×C×H×W. Some
            dozens of typical ones.
        out: Where the int8 file goes, complete or not at all; missing folders are made.

    Returns:
        The path of the int8 file.

    Raises:
        ExportError: If the int8 outputs have little to do with the float ones on these images (a
            signal-to-noise ratio below 10 dB), or the float ones are not finite.
        LatencyError: If the file is missing, is no float32 network, or does not take the images.
    """
    file, target = OnnxFile.read(Path(path)), Path(out)
    if file.precision != FLOAT32:
        raise LatencyError(f"{file.path}: it is {file.precision} already: give the float32 file.")
    expected = predictor(file.path)(images)
    if not np.isfinite(expected).all():
        raise ExportError(f"{file.path}: it gives NaN or infinity for the calibration images.")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as folder:
        quantised = Path(folder, "int8.onnx")
        _quantise(file, images, quantised)
        _check(file.path, signal_to_noise(expected, predictor(quantised)(images)))
        quantised.replace(target)
    return target


def signal_to_noise(expected: np.ndarray, found: np.ndarray) -> float:
    """Decibels by which the power of the expected values is above that of the differences."""
    noise = float(np.square(found - expected, dtype=np.float64).sum())
    signal = float(np.square(expected, dtype=np.float64).sum())
    return float("inf") if noise == 0 else 10 * float(np.log10(max(signal, 1e-30) / noise))


class _Images(quantization.CalibrationDataReader):
    def __init__(self, name: str, images: Iterator[np.ndarray]) -> None:
        self._name = name
        self._images = images

    def get_next(self) -> dict[str, np.ndarray] | None:
        batch = next(self._images, None)
        return None if batch is None else {self._name: batch}


def _quantise(file: OnnxFile, images: np.ndarray, target: Path) -> None:
    model = onnx.load(file.path)
    # The export has done what onnxruntime would otherwise advise to do first.
    model.metadata_props.add(key=_PREPROCESSED, value="onnxruntime.quant")
    quantization.quantize_static(
        model,
        target,
        _Images(model.graph.input[0].name, batches(file, images)),
        quant_format=quantization.QuantFormat.QDQ,
        activation_type=quantization.QuantType.QUInt8,
        weight_type=quantization.QuantType.QInt8,
        calibrate_method=quantization.CalibrationMethod.MinMax,
        per_channel=True,
        reduce_range=True,
    )


def _check(path: Path, decibels: float) -> None:
    if decibels < MINIMUM_DECIBELS:
        raise ExportError(
            f"{path}: the int8 outputs are {decibels:.1f} dB above their error, less than "
            f"{MINIMUM_DECIBELS:.0f} dB: calibrate with more images of the kind that the network "
            "was trained on, or keep float32."
        )
