"""A quantised network beside the one that it was made from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from latency.exporting.int8 import signal_to_noise
from latency.measuring.latency import Latency
from latency.measuring.measure import measure_onnx
from latency.onnx_files.batches import Predict, predictor
from latency.onnx_files.file import OnnxFile


@dataclass(frozen=True)
class Variant:
    """One ONNX file.

    Attributes:
        accuracy: What the caller's function gave for it.
        latency: As measured.
        size: Bytes of the file.
    """

    accuracy: float
    latency: Latency
    size: int

    def to_dict(self) -> dict[str, Any]:
        """A JSON-serialisable record."""
        return {
            "accuracy": self.accuracy,
            "latency": self.latency.to_dict(),
            "size": self.size,
        }


@dataclass(frozen=True)
class Comparison:
    """Two files of one network.

    Attributes:
        float32: The original.
        int8: The quantised one.
        decibels: Signal-to-noise ratio of the quantised outputs on the images given.
    """

    float32: Variant
    int8: Variant
    decibels: float

    @property
    def speedup(self) -> float:
        """Median latency of the original over that of the quantised one."""
        return self.float32.latency.median_ms / self.int8.latency.median_ms

    def to_dict(self) -> dict[str, Any]:
        """A JSON-serialisable record."""
        return {
            "float32": self.float32.to_dict(),
            "int8": self.int8.to_dict(),
            "decibels": self.decibels,
            "speedup": self.speedup,
        }


def compare_quantised(
    original: Path | str,
    quantised: Path | str,
    images: np.ndarray,
    accuracy: Callable[[Predict], float],
    device: str = "cpu",
    threads: int = 1,
) -> Comparison:
    """Accuracy, latency and size of a network before and after quantisation.

    Args:
        original: The float32 ONNX file.
        quantised: The int8 file that `quantise_onnx` made of it.
        images: Images to compare the outputs on: float32, N×C×H×W.
        accuracy: Tells how good a network is, which it gets as a function from images N×C×H×W to
            outputs.
        device: "cpu", "cuda" or "cuda:N".
        threads: CPU threads of one operator.

    Raises:
        LatencyError: If a file is missing or is no network, does not take the images, or cannot be
            measured on the device.
    """
    paths = Path(original), Path(quantised)
    predictors = [predictor(path, device, threads) for path in paths]
    decibels = signal_to_noise(*(predict(images) for predict in predictors))
    before, after = (
        Variant(
            accuracy=accuracy(predict),
            latency=_latency(path, images, device, threads),
            size=path.stat().st_size,
        )
        for path, predict in zip(paths, predictors, strict=True)
    )
    return Comparison(float32=before, int8=after, decibels=decibels)


def _latency(path: Path, images: np.ndarray, device: str, threads: int) -> Latency:
    shape = (OnnxFile.read(path).batch or 1, *images.shape[1:])
    return measure_onnx(path, device, threads=threads, input_shape=shape)
