"""An int8 version of an exported network, beside the float32 one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import latency
from latency.measuring.latency import Latency
from latency.onnx_files.batches import Predict
from nas.deployment.file_latency import cpu_latency
from nas.tasks import Task
from nas.training.images import Normaliser
from nas.training.seeding import derive

SUFFIX = ".int8.onnx"
CALIBRATION_IMAGES = 64
_CPU = torch.device("cpu")

Tune = Callable[[Path, np.ndarray], dict[str, Any]]
"""Trains an int8 file, which it replaces, and gives a record; told calibration images too."""


@dataclass(frozen=True)
class Int8Options:
    """How a network becomes int8.

    Attributes:
        images: Calibration images of the train split; all of them where it has fewer.
        seed: Of their choice.
    """

    images: int = CALIBRATION_IMAGES
    seed: int = 0


class OnnxNetwork(nn.Module):
    """An ONNX file in the place of a network of PyTorch, on the CPU.

    Args:
        predict: Runs the file.
        channels: Which of the images' channels the file takes; None for all.
    """

    def __init__(self, predict: Predict, channels: tuple[int, ...] | None = None) -> None:
        super().__init__()
        self._predict = predict
        self._channels = channels

    def forward(self, images: Tensor) -> Tensor:
        """Logits of normalised images N x channels x H x W."""
        taken = images if self._channels is None else images[:, list(self._channels)]
        return torch.from_numpy(self._predict(taken.cpu().contiguous().numpy()))


def int8_version(
    path: Path,
    task: Task,
    options: Int8Options,
    score: Callable[[nn.Module], dict[str, dict[str, Any]]],
    measured: Latency | None = None,
    channels: tuple[int, ...] | None = None,
    tune: Tune | None = None,
) -> dict[str, Any]:
    """Quantises an ONNX file with images of the train split, scores and measures the result.

    Both files are measured on the CPU, whose int8 it is. Nothing is chosen by the scores, but the
    epoch of a fine-tuning by those of the validation split.

    Args:
        path: The float32 file; the int8 file goes beside it.
        task: Its images.
        options: How many images, and which.
        score: Scores a network whose images are on the CPU.
        measured: The latency of the float32 file on the CPU, if it is known.
        channels: Which of the images' channels the files take; None for all.
        tune: Trains the int8 file further, if it is to be.

    Returns:
        A record: ``file``, ``calibration_images``, the scores by split, and for ``float32`` and
        ``int8`` the ``latency`` and the ``size`` of the file in bytes. With a fine-tuning, its
        record as ``fine_tuning`` and the scores before it as ``before_tuning``.

    Raises:
        ExportError: If the int8 network has little to do with the float32 one, or cannot be
            trained.
        LatencyError: If the file does not take the images, or cannot be measured.
    """
    images = calibration_images(task, options)
    if channels is not None:
        images = np.ascontiguousarray(images[:, list(channels)])
    quantised = latency.quantise_onnx(path, images, path.with_name(path.stem + SUFFIX))

    def scores() -> dict[str, dict[str, Any]]:
        predict = latency.predictor(quantised, threads=torch.get_num_threads())
        return score(OnnxNetwork(predict, channels))

    tuning = {}
    if tune is not None:
        before_tuning = scores()
        tuning = {"before_tuning": before_tuning, "fine_tuning": tune(quantised, images)}
    shape = (1, *images.shape[1:])
    before = measured or cpu_latency(path, shape)
    after = cpu_latency(quantised, shape)
    return {
        "file": quantised.name,
        "calibration_images": len(images),
        **scores(),
        **tuning,
        "float32": {"latency": before.to_dict(), "size": path.stat().st_size},
        "int8": {"latency": after.to_dict(), "size": quantised.stat().st_size},
    }


def calibration_images(task: Task, options: Int8Options) -> np.ndarray:
    """Images of the train split as a network gets them: normalised, N x channels x H x W."""
    images = task.dataset("train").images
    generator = torch.Generator().manual_seed(derive(options.seed, "calibration"))
    chosen = torch.randperm(len(images), generator=generator)[: options.images]
    normalised = Normaliser(task.mean, task.std)(images[chosen], _CPU)
    array: np.ndarray = normalised.contiguous().numpy()
    return array
