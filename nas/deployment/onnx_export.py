"""A network as an ONNX file that was compared with it."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import onnx
from torch import nn

import latency
from latency.exporting.export import OPSETS
from nas.deployment.int8 import Int8Options
from nas.errors import UserError
from nas.files import naming_full_disks, replacing

DEFAULT_OPSET = 18


@dataclass(frozen=True)
class ExportOptions:
    """What is written.

    Attributes:
        opset: Version of the ONNX operators.
        dynamic_batch: Leaves the number of images open.
        int8: How an int8 file is made too; None makes none.

    Raises:
        UserError: If the opset is not one that can be written, or int8 has no images.
    """

    opset: int = DEFAULT_OPSET
    dynamic_batch: bool = False
    int8: Int8Options | None = None

    def __post_init__(self) -> None:
        # Otherwise it would be refused after hours of training.
        if self.opset not in OPSETS:
            raise UserError(f"opset {self.opset} is not known; use {OPSETS[0]} to {OPSETS[-1]}.")
        if self.int8 is not None and self.int8.images < 1:
            raise UserError(
                f"int8 with {self.int8.images} calibration images: give at least 1, better dozens."
            )


class Fed(Protocol):
    """How a network is fed, and what it tells apart."""

    @property
    def classes(self) -> tuple[str, ...]: ...

    @property
    def input_size(self) -> tuple[int, int]: ...

    @property
    def mean(self) -> tuple[float, ...]: ...

    @property
    def std(self) -> tuple[float, ...]: ...


def about(
    description: Fed,
    limits: Mapping[str, float] | None = None,
    channels: Sequence[int] | None = None,
) -> dict[str, str]:
    """What an ONNX file tells of its network in its metadata, each value as JSON.

    Args:
        description: Of the network.
        limits: Largest values of costs by name that its search had.
        channels: Which of the images' channels the file takes; all unless given.
    """
    taken = range(len(description.mean)) if channels is None else channels
    facts: dict[str, Any] = {
        "classes": description.classes,
        "input_size": description.input_size,
        "normalisation": "(value / 255 - mean) / std",
        "mean": [description.mean[channel] for channel in taken],
        "std": [description.std[channel] for channel in taken],
    }
    if limits:
        facts["limits"] = dict(limits)
    return {key: json.dumps(value) for key, value in facts.items()}


def write_onnx(
    network: nn.Module,
    shape: tuple[int, int, int, int],
    path: Path,
    options: ExportOptions,
    metadata: Mapping[str, str],
) -> dict[str, Any]:
    """Writes a network and compares the file with it.

    Args:
        network: On the CPU, in evaluation mode.
        shape: Shape N, C, H, W of the input.
        path: Where the file goes.
        options: What is written.
        metadata: What the file tells of the network; see `about`. Its int8 version tells it too.

    Returns:
        A record: ``opset``, ``dynamic_batch`` and the ``largest_difference`` of an output.

    Raises:
        ExportError: If it cannot be exported, or the file computes something else.
        DiskFullError: If there is no room for it.
    """
    with naming_full_disks(path):
        latency.export_onnx(network, shape, path, options.opset, options.dynamic_batch)
        model = onnx.load(path)
        onnx.helper.set_model_props(model, dict(metadata))
        with replacing(path) as temporary:
            onnx.save(model, temporary)
    return {
        "opset": options.opset,
        "dynamic_batch": options.dynamic_batch,
        "largest_difference": latency.check_onnx(network, path, shape),
    }


def try_export(
    network: nn.Module, shape: tuple[int, int, int, int], options: ExportOptions
) -> None:
    """Refuses a network that cannot be exported, before anything is spent on its training.

    Raises:
        UserError: With the reason.
    """
    with tempfile.TemporaryDirectory() as folder:
        try:
            path = Path(folder, "model.onnx")
            latency.export_onnx(network, shape, path, options.opset, options.dynamic_batch)
        except latency.ExportError as error:
            raise UserError(str(error)) from error
