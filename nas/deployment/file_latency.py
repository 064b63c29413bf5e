"""The latency of an exported file."""

from __future__ import annotations

import warnings
from pathlib import Path

import latency
from latency.measuring.latency import Latency


def cpu_latency(path: Path, shape: tuple[int, ...]) -> Latency:
    """Measures an ONNX file on the CPU; what is noisy says so by itself, without a warning.

    Args:
        path: The file.
        shape: Shape N, C, H, W of the input.

    Raises:
        LatencyError: If it cannot be measured.
    """
    measured, _ = device_latency(path, shape, "cpu")
    return measured


def device_latency(path: Path, shape: tuple[int, ...], device: str) -> tuple[Latency, list[str]]:
    """Measures an ONNX file on a device, or on the CPU where onnxruntime cannot use the device.

    PyTorch may have a GPU that onnxruntime has not, and a training is too dear to fail at that.

    Args:
        path: The file.
        shape: Shape N, C, H, W of the input.
        device: "cpu", "cuda" or "cuda:N".

    Returns:
        The latency, which names its device, and a sentence if that is another one.

    Raises:
        LatencyError: If it cannot be measured on the CPU either.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", latency.FallbackWarning)
        measured = latency.measure_onnx(path, device, allow_fallback=True, input_shape=shape)
    return measured, [f"the latency was {warning.message}" for warning in caught]
