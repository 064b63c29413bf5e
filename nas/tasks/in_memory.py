"""Tasks made of a user's own data sets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from nas.errors import UserError
from nas.tasks.classification.in_memory import ClassesInMemory
from nas.tasks.classification.task import ClassificationTask
from nas.tasks.inputs import RGB, Channels
from nas.tasks.segmentation.in_memory import MasksInMemory
from nas.tasks.segmentation.task import SegmentationTask
from nas.tasks.spelling import hint
from nas.tasks.task import Task

_Maker = ClassesInMemory | MasksInMemory
_KINDS: dict[str, type[_Maker]] = {
    ClassificationTask.kind: ClassesInMemory,
    SegmentationTask.kind: MasksInMemory,
}
_MODES = ("L", "RGB", "RGBA", "CMYK")


def from_datasets(
    name: str,
    classes: Sequence[str],
    train: Dataset[Any],
    validation: Dataset[Any] | None = None,
    test: Dataset[Any] | None = None,
    *,
    kind: str | None = None,
    inputs: Mapping[str, int] | None = None,
    **options: Any,
) -> Task:
    """Makes a task of data sets of images and targets, which are read into memory.

    An image is a PIL image, or a tensor C×H×W of uint8, or of floats from 0 to 1. All have one
    size. A target is the number of a class, or a mask H×W with the number of a class for every
    pixel. Other processes cannot load such a task, as its `address` is None; a function that makes
    it, in a file and named by its import path, they can.

    Args:
        name: The task's name in reports.
        classes: Name of each class, in the order of their numbers from 0.
        train: What is learned from.
        validation: What guides a search; a tenth of train unless given.
        test: What is tested on; a tenth of train unless given.
        kind: "classification" or "segmentation"; by the first target unless given.
        inputs: Names of what the channels of an image are, and the number of each, for example
            ``{"rgb": 3, "depth": 1}``; ``rgb`` for three channels and ``grey`` for one unless
            given.
        **options: `mean` and `std` of each channel from 0 to 1 (ImageNet's for colour and that of
            train for others unless given), `reward_classes` (names of those whose quality counts),
            `seed` of what is held out; for segmentation also `ignore_index`, `pairs` and `groups`
            as in a task.yaml.

    Raises:
        UserError: If an image or a target is not as said, there is none, or an option is wrong.

    Examples:
        >>> import torch
        >>> import nas.tasks
        >>> images = torch.randint(0, 255, (40, 1, 16, 16), dtype=torch.uint8)
        >>> digits = torch.utils.data.TensorDataset(images, torch.arange(40) % 2)
        >>> task = nas.tasks.from_datasets("digits", ["even", "odd"], digits)
        >>> task.kind, task.input_shape, len(task.dataset("train"))
        ('classification', (1, 1, 16, 16), 32)
    """
    where = f"task {name}"
    given = {"train": train, "validation": validation, "test": test}
    image, target = _first(train, f"{where}: train")
    channels, height, width = image.shape
    for key in ("channels", "input_size"):
        if key in options:
            raise UserError(f"{where}: {key} is that of the images; remove it.")
    values = {
        **options,
        "name": name,
        "classes": tuple(classes),
        "channels": _channels(channels, inputs, where),
        "input_size": (height, width),
    }
    maker = _KINDS[_kind(kind, target, where)](values, where)
    splits = {
        split: _read(dataset, maker, tuple(image.shape), f"{where}: {split}")
        for split, dataset in given.items()
        if dataset is not None
    }
    task = maker.task(splits)
    return task if inputs is None else replace(task, inputs=dict(inputs))


def _first(dataset: Dataset[Any], where: str) -> tuple[Tensor, np.ndarray]:
    for number, item in enumerate(_items(dataset)):
        return _pair(item, f"{where}: item {number}")
    raise UserError(f"{where}: the data set is empty.")


def _channels(count: int, inputs: Mapping[str, int] | None, where: str) -> Channels:
    if inputs is None:
        return {1: "grey", 3: "rgb"}.get(count, count)  # type: ignore[return-value]
    if sum(inputs.values()) != count:
        raise UserError(
            f"{where}: inputs: {dict(inputs)} have {sum(inputs.values())} channels, and the images "
            f"{count}."
        )
    return "rgb" if dict(inputs) == RGB else count


def _kind(kind: str | None, target: np.ndarray, where: str) -> str:
    if kind is None:
        fitting = (name for name, maker in _KINDS.items() if maker.dimensions == target.ndim)
        kind = next(fitting, None)
        if kind is None:
            raise UserError(
                f"{where}: a target is the number of a class or a mask of height and width, not of "
                f"{target.ndim} dimensions."
            )
    if kind not in _KINDS:
        raise UserError(f"{where}: kind: no kind of task {kind!r}; {hint(kind, _KINDS)}.")
    return kind


def _read(
    dataset: Dataset[Any], maker: _Maker, shape: tuple[int, ...], where: str
) -> tuple[Tensor, np.ndarray]:
    images, targets = [], []
    for number, item in enumerate(_items(dataset)):
        here = f"{where}: item {number}"
        image, target = _pair(item, here)
        if image.shape != shape:
            found, first = ("x".join(map(str, form)) for form in (image.shape, shape))
            raise UserError(
                f"{here}: the image is {found} (channels, height, width), and the first of train "
                f"{first}; bring all to one size."
            )
        if target.ndim != maker.dimensions:
            raise UserError(
                f"{here}: the target has {target.ndim} dimensions, and {maker.dimensions} are "
                "needed."
            )
        complaint = maker.complaint(target)
        if complaint is not None:
            raise UserError(f"{here}: {complaint}.")
        images.append(image)
        targets.append(target)
    if not images:
        raise UserError(f"{where}: the data set is empty.")
    return torch.stack(images), np.stack(targets)


def _items(dataset: Any) -> Iterator[Any]:
    """The items in order; a data set with a length need not end by itself."""
    if hasattr(dataset, "__len__"):
        return (dataset[index] for index in range(len(dataset)))
    iterable: Iterable[Any] = dataset
    return iter(iterable)


def _pair(item: Any, where: str) -> tuple[Tensor, np.ndarray]:
    if not isinstance(item, (tuple, list)) or len(item) != 2:
        raise UserError(f"{where}: it is no pair of an image and a target.")
    return _image(item[0], where), _target(item[1], where)


def _image(image: Any, where: str) -> Tensor:
    if isinstance(image, Image.Image):
        if image.mode not in _MODES:
            raise UserError(f"{where}: the image has mode {image.mode}; convert it to RGB or L.")
        pixels = torch.from_numpy(np.array(image))
        return pixels[None] if pixels.ndim == 2 else pixels.permute(2, 0, 1).contiguous()
    if not isinstance(image, Tensor) or image.ndim != 3:
        form = tuple(image.shape) if isinstance(image, Tensor) else type(image).__name__
        raise UserError(
            f"{where}: an image is a PIL image or a tensor of channels, height and width, not "
            f"{form}."
        )
    image = image.detach().cpu()
    if image.dtype == torch.uint8:
        return image
    if not image.is_floating_point() or not bool(((image >= 0) & (image <= 1)).all()):
        raise UserError(
            f"{where}: a tensor of {image.dtype} has to hold values from 0 to 1, and one of uint8 "
            "those from 0 to 255."
        )
    return image.mul(255).round().to(torch.uint8)


def _target(target: Any, where: str) -> np.ndarray:
    values = np.asarray(target.detach().cpu() if isinstance(target, Tensor) else target)
    if values.dtype.kind not in "iu":
        raise UserError(f"{where}: a target is made of whole numbers, not of {values.dtype}.")
    return values
