"""Exports a network that has been trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nas.deployment.int8 import int8_version
from nas.deployment.onnx_export import DEFAULT_OPSET, ExportOptions, about, write_onnx
from nas.deployment.scores import scores_of
from nas.deployment.trained_network import TrainedNetwork
from nas.files import write_json
from nas.models.face_networks import on_its_own
from nas.mutual_learning.trained import PathNetwork
from nas.tasks import Task
from nas.training.device import resolve_device

ONNX = ".onnx"


def default_path(path: Path, options: ExportOptions) -> Path:
    """Where the ONNX file of a network goes, named by what is not as usual.

    Args:
        path: The file of the network's weights.
        options: What is written.
    """
    name = path.stem
    if options.opset != DEFAULT_OPSET:
        name += f"-opset{options.opset}"
    if options.dynamic_batch:
        name += "-dynamic"
    return path.with_name(name + ONNX)


def export(
    trained: TrainedNetwork | PathNetwork,
    path: Path,
    options: ExportOptions,
    task: Task | None = None,
    device: str = "auto",
) -> dict[str, Any]:
    """Writes a trained network as ONNX file, and an int8 version of it if asked for.

    Args:
        trained: The network.
        path: Where the file goes; a record of the same name ends in ``.json``.
        options: What is written.
        task: Its data; needed for int8.
        device: Where the float32 network is scored; both files are measured on the CPU.

    Returns:
        The record: what the file takes (``channels`` tells which, where it takes some of the
        task's alone) and gives, how it was checked, and with int8 the scores and
        latencies of both.

    Raises:
        LatencyError: If it cannot be exported or measured, or its int8 version is broken.
        UserError: If the device is absent.
    """
    where = resolve_device(device)
    description = trained.description
    network, channels = on_its_own(trained.network)
    taken = list(range(len(description.mean)) if channels is None else channels)
    shape = (1, len(taken), *description.input_size)
    path.parent.mkdir(parents=True, exist_ok=True)
    written = (network, shape, path, options)
    record: dict[str, Any] = {
        "network": str(trained.path),
        "onnx": {"file": path.name, **write_onnx(*written, about(description, channels=taken))},
        "size": path.stat().st_size,
        "input": {
            "shape": list(shape),
            "mean": [description.mean[channel] for channel in taken],
            "std": [description.std[channel] for channel in taken],
            **({} if channels is None else {"channels": taken}),
        },
        "classes": list(description.classes),
    }
    if options.int8 is not None:
        assert task is not None  # the caller knows that int8 needs images
        record |= scores_of(trained.network.to(where), task, where)
        trained.network.cpu()
        record["int8"] = int8_version(
            path,
            task,
            options.int8,
            lambda network: scores_of(network, task, where),
            channels=channels,
        )
    write_json(path.with_suffix(".json"), record)
    return record
