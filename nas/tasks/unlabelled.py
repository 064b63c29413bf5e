"""Images without labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from nas.errors import UserError
from nas.tasks.listing import image_files
from nas.tasks.reading import ImageReader, resize


def read_images(folder: Path, size: tuple[int, int]) -> tuple[Tensor, list[str]]:
    """Reads every image of a folder and of those within it, as colours.

    Args:
        folder: Where they are.
        size: Height and width that each is resized to, in pixels.

    Returns:
        N×3×H×W uint8 in the order of their names, and what a user should know of the files.

    Raises:
        UserError: If there is no image, or one cannot be read; the message names the file.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: there is no such folder of images.")
    reader = ImageReader()
    listing = image_files(folder, reader.suffixes, within=True)
    if not listing.files:
        raise UserError(f"{folder}: no image in it.")
    images = np.empty((len(listing.files), *size, 3), np.uint8)
    for number, path in enumerate(listing.files):
        images[number] = resize(reader.read(path), size)
    return torch.from_numpy(images).permute(0, 3, 1, 2), listing.notes()
