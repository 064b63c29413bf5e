"""Changes of whole batches, as torchvision v2 transforms.

torchvision draws one set of parameters for a batch. The transforms here draw them for each image
of it, which costs a few operations per batch instead of a few per image, on any device.

This module imports torchvision, which takes seconds, so `nas.tasks.segmentation.augmentation`
imports it where it makes a transform.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from nas.vision_libraries import tv_tensors, v2


class Mirror(v2.Transform):
    """Mirrors each image with a probability and swaps the paired classes of its mask.

    A mirrored left eye is a right eye: with the classes left as they are, a network learns that
    left and right are the same.

    Args:
        pairs: Indices of the classes to swap.
        probability: Probability for each image.
    """

    def __init__(self, pairs: Sequence[tuple[int, int]], probability: float = 0.5) -> None:
        super().__init__()
        self._probability = probability
        self._swapped = torch.arange(256, dtype=torch.uint8)
        for first, second in pairs:
            self._swapped[first], self._swapped[second] = second, first

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        return {"mirrored": torch.rand(len(flat_inputs[0])) < self._probability}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        chosen = params["mirrored"].to(inpt.device)
        mirrored = inpt.flip(-1)
        if isinstance(inpt, tv_tensors.Mask):
            mirrored = self._swapped.to(inpt.device)[mirrored.long()]
        shape = (-1,) + (1,) * (inpt.ndim - 1)
        return tv_tensors.wrap(torch.where(chosen.view(shape), mirrored, inpt), like=inpt)


class ScaleAndTurn(v2.Transform):
    """Resizes a turned rectangle, smaller or larger than the image, to the image's size.

    What lies outside the image is a reflection of it, and ignored in the mask.

    Args:
        scale: Largest factor between a side of the rectangle and the image's, in either direction.
        stretch: Largest factor between the rectangle's and the image's aspect ratio.
        degrees: Largest turn to either side.
        ignore_index: Value in the mask of what lies outside the image.
    """

    def __init__(self, scale: float, stretch: float, degrees: float, ignore_index: int) -> None:
        super().__init__()
        self._scale = scale
        self._stretch = stretch
        self._degrees = degrees
        self._ignore_index = ignore_index

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        count, (height, width) = len(flat_inputs[0]), flat_inputs[0].shape[-2:]
        side = _factors(count, self._scale)
        ratio = _factors(count, self._stretch).sqrt()
        half = torch.stack([side * ratio, side / ratio], dim=1)
        # A larger rectangle has the image anywhere in it.
        centre = (2 * torch.rand(count, 2) - 1) * (1 - half)
        angle = torch.deg2rad(_uniform(count, -self._degrees, self._degrees))
        cosine, sine = torch.cos(angle), torch.sin(angle)
        # Positions are in units of half a side, which differ between height and width.
        rows = [
            torch.stack([cosine * half[:, 0], -sine * half[:, 1] * height / width], dim=1),
            torch.stack([sine * half[:, 0] * width / height, cosine * half[:, 1]], dim=1),
        ]
        matrix = torch.cat([torch.stack(rows, dim=1), centre[:, :, None]], dim=2)
        grid = functional.affine_grid(matrix, [count, 1, height, width], align_corners=False)
        return {"grid": grid}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        grid = params["grid"].to(inpt.device)
        if not isinstance(inpt, tv_tensors.Mask):
            return tv_tensors.wrap(_sample(inpt, grid, "bilinear"), like=inpt)
        labels = _sample(inpt[:, None].float(), grid, "nearest")[:, 0].to(torch.uint8)
        outside = (grid.abs() > 1).any(dim=-1)
        return tv_tensors.wrap(labels.masked_fill(outside, self._ignore_index), like=inpt)


class ColourJitter(v2.Transform):
    """Changes brightness, contrast and saturation of each image; masks stay as they are.

    Args:
        strength: Largest relative change of each.
        rgb: Whether the channels are colours. Others have no saturation.
    """

    _transformed_types = (tv_tensors.Image,)

    def __init__(self, strength: float, rgb: bool = True) -> None:
        super().__init__()
        self._strength = strength
        self._rgb = rgb

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        low, high = 1 - self._strength, 1 + self._strength
        factors = _uniform(3 * len(flat_inputs[0]), low, high).view(3, -1, 1, 1, 1)
        return {"brightness": factors[0], "contrast": factors[1], "saturation": factors[2]}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        factors = {name: factor.to(inpt.device) for name, factor in params.items()}
        image = inpt * factors["brightness"]
        if self._rgb:
            weights = torch.tensor([0.299, 0.587, 0.114], device=inpt.device).view(3, 1, 1)
            grey = (image * weights).sum(dim=1, keepdim=True)
            image = torch.lerp(grey, image, factors["saturation"])
            mean = grey.mean(dim=(2, 3), keepdim=True)
        else:
            # Bands differ in their levels, so each keeps its own.
            mean = image.mean(dim=(2, 3), keepdim=True)
        image = torch.lerp(mean, image, factors["contrast"]).clamp(0, 1)
        return tv_tensors.wrap(image, like=inpt)


def _factors(count: int, largest: float) -> Tensor:
    """Factors between the largest and its inverse, as often above 1 as below."""
    return torch.exp(_uniform(count, -1, 1) * math.log(largest))


def _uniform(count: int, low: float, high: float) -> Tensor:
    return low + (high - low) * torch.rand(count)


def _sample(values: Tensor, grid: Tensor, mode: str) -> Tensor:
    plain = values.as_subclass(Tensor)
    return functional.grid_sample(
        plain, grid, mode=mode, padding_mode="reflection", align_corners=False
    )
