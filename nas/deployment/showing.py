"""What a retrained network does, for the page about its search: predictions, and layers."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from latency.devices.device import Placement, parse_device
from latency.errors import LatencyError
from latency.profiling.layers import grouped, measured_layers_of_onnx
from nas.deployment.selection import best_retrained
from nas.deployment.trained_network import NamedTask, task_of_training, trained_network
from nas.errors import UserError
from nas.kinds.network_file import FILE
from nas.models.segmentation import resize
from nas.report.page.contents import Networks
from nas.report.pictures import as_shown, class_colours, overlay
from nas.searching.config import ImageSearchConfig
from nas.searching.run_folder import RunFolder
from nas.tasks import SegmentationTask, Task
from nas.training.images import Normaliser
from nas.training.scoring import predict

_SHOWN = 4
"""Number of the best and of the worst predictions."""
_LARGEST = 160
"""Pixels of the longer side of a picture on the page; smaller images are enlarged to it."""
_LAYERS = 24
"""Rows of the picture of where the time goes, about."""


def networks_of(run: RunFolder, data: Path | None = None) -> Networks:
    """What the best retrained network of a run does on validation images, and where its time goes.

    Args:
        run: The run.
        data: Folder of the images, if they have moved.

    Returns:
        Nothing, or a sentence in its place, where no network is retrained, the images are not to be
        had, or the exported network cannot run here.
    """
    if not isinstance(run.config(), ImageSearchConfig):
        return Networks()
    best = best_retrained(run)
    if best is None:
        return Networks(
            notes=(f"no candidate is retrained yet; nas retrain {run.path} --best does so.",)
        )
    notes: list[str] = []
    pictures: list[dict[str, Any]] = []
    colours: list[tuple[str, str]] = []
    try:
        task = task_of_training(best / FILE, NamedTask(data=data))
        pictures = predictions(trained_network(best, task).network, task)
        if isinstance(task, SegmentationTask):
            colours = [
                (name, f"rgb({red}, {green}, {blue})")
                for name, (red, green, blue) in zip(
                    task.classes, class_colours(task.num_classes).tolist(), strict=True
                )
            ]
    except UserError as error:
        notes.append(f"no predictions are shown: {error}")
    layers: list[dict[str, Any]] = []
    try:
        layers = layer_times(best / "model.onnx")
    except LatencyError as error:
        notes.append(f"the time of layers is not shown: {error}")
    return Networks(best.name, tuple(layers), tuple(pictures), tuple(colours), tuple(notes))


def layer_times(path: Path) -> list[dict[str, Any]]:
    """Milliseconds of the layers of an exported network on one core of the CPU, in their order.

    Layers are summed over modules, as deep as the page has room for.

    Raises:
        LatencyError: If it cannot run here.
    """
    layers = measured_layers_of_onnx(path, Placement(parse_device("cpu"), 1, False))
    depths = range(1, max(layer.path.count(".") for layer in layers) + 2)
    fitting = [found for depth in depths if len(found := grouped(layers, depth)) <= _LAYERS]
    chosen = max(fitting, key=len, default=grouped(layers, 1))
    return [{"layer": one.path, "kind": one.kind, "ms": one.ms} for one in chosen]


def predictions(network: nn.Module, task: Task) -> list[dict[str, Any]]:
    """The best and the worst predictions on the validation images.

    Args:
        network: In evaluation mode, on the CPU.
        task: The data.

    Returns:
        For each: ``name`` of the image, ``score``, ``caption``, and ``images``, pairs of a caption
        and a PNG as a data URL.
    """
    data = task.dataset("validation")
    normalise = Normaliser(task.mean, task.std)
    cpu = torch.device("cpu")
    batches = predict(lambda images: network(normalise(images, cpu)).float(), data.images)
    logits = torch.cat(list(batches))
    show = _masks if isinstance(task, SegmentationTask) else _classes
    scores, described = show(task, data.images, data.targets, logits)
    order = torch.argsort(scores, descending=True, stable=True).tolist()
    chosen = order if len(order) <= 2 * _SHOWN else [*order[:_SHOWN], *order[-_SHOWN:]]
    return [
        {"name": data.names[row], "score": float(scores[row]), **described(row)} for row in chosen
    ]


Described = Callable[[int], dict[str, Any]]


def _masks(task: Task, images: Tensor, masks: Tensor, logits: Tensor) -> tuple[Tensor, Described]:
    """Share of pixels that are right, and each image with its mask and its prediction."""
    assert isinstance(task, SegmentationTask)
    found = resize(logits, masks.shape[-2:]).argmax(dim=1)
    counted = masks != task.ignore_index
    right = ((found == masks) & counted).flatten(1).sum(1)
    scores = right / counted.flatten(1).sum(1).clamp(min=1)
    colours = class_colours(task.num_classes)

    def described(row: int) -> dict[str, Any]:
        image = as_shown(images[row])
        return {
            "caption": f"{float(scores[row]):.1%} of its pixels are right",
            "images": [
                ["image", _png(image)],
                ["mask", _png(overlay(image, masks[row].numpy(), colours))],
                ["prediction", _png(overlay(image, found[row].numpy(), colours))],
            ],
        }

    return scores, described


def _classes(
    task: Task, images: Tensor, labels: Tensor, logits: Tensor
) -> tuple[Tensor, Described]:
    """Probability of the true class, and each image."""
    probabilities = functional.softmax(logits, dim=1)
    scores = probabilities.gather(1, labels[:, None])[:, 0]
    found = probabilities.argmax(dim=1)

    def described(row: int) -> dict[str, Any]:
        true, given = (task.classes[int(one[row])] for one in (labels, found))
        said = given if given == true else f"{given}, and is {true}"
        share = float(probabilities[row].max())
        return {
            "caption": f"taken for {said} ({share:.0%})",
            "images": [["image", _png(as_shown(images[row]))]],
        }

    return scores, described


def _png(pixels: np.ndarray) -> str:
    height, width = pixels.shape[:2]
    factor = _LARGEST / max(height, width)
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    way = Image.Resampling.NEAREST if factor > 1 else Image.Resampling.BOX
    stream = io.BytesIO()
    Image.fromarray(pixels).resize(size, way).save(stream, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode("ascii")
