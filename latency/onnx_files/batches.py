"""ONNX files as functions of any number of images."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from latency.errors import LatencyError
from latency.onnx_files.file import OnnxFile
from latency.onnx_files.sessions import open_session

Predict = Callable[[np.ndarray], np.ndarray]
"""Maps float32 images N×C×H×W to the first output of a network for them."""


def predictor(path: Path | str, device: str = "cpu", threads: int = 1) -> Predict:
    """A function that runs an ONNX file.

    Args:
        path: The ONNX file.
        device: "cpu", "cuda" or "cuda:N".
        threads: CPU threads of one operator.

    Raises:
        LatencyError: If the file is missing or is no network, or the device is missing. The
            function raises it for images that are not a multiple of the file's batch, or of
            another size.
    """
    file = OnnxFile.read(Path(path))
    session = open_session(file.path, device, threads)
    name = session.get_inputs()[0].name

    def predict(images: np.ndarray) -> np.ndarray:
        outputs = [session.run(None, {name: batch})[0] for batch in batches(file, images)]
        return np.concatenate(outputs)

    return predict


def batches(file: OnnxFile, images: np.ndarray) -> Iterator[np.ndarray]:
    """Images in as many at once as a file takes, one at a time where it leaves the batch open.

    Args:
        file: The ONNX file.
        images: Float32, N×C×H×W.

    Raises:
        LatencyError: If they are not a multiple of the file's batch, or of another size.
    """
    if images.ndim != 4 or images.dtype != np.float32 or not len(images):
        raise LatencyError(
            f"images are {images.dtype} of shape {images.shape}: give float32 of shape N, C, H, W, "
            "at least one."
        )
    size = file.batch or 1
    file.input_shape((size, *images.shape[1:]))
    if len(images) % size:
        raise LatencyError(
            f"{len(images)} images are no multiple of {size}, the batch of {file.path}: give fewer "
            "or more, or export with an open batch."
        )
    return (images[start : start + size] for start in range(0, len(images), size))
