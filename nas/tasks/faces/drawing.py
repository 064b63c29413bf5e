"""Draws faces from a seed."""

from __future__ import annotations

import numpy as np

from nas.tasks.faces.anatomy import BACKGROUND, CLASSES, paint_head
from nas.tasks.faces.canvas import Canvas
from nas.tasks.faces.parameters import Face
from nas.tasks.faces.scene import expose, paint_background, paint_cover


def draw_face(seed: tuple[int, ...], size: int) -> tuple[np.ndarray, np.ndarray]:
    """Draws one face.

    Args:
        seed: Non-negative numbers that decide everything about the face.
        size: Side of the image in pixels.

    Returns:
        The image, H×W×3 uint8, and its mask, H×W uint8, of indices into `CLASSES`.
    """
    rng = np.random.default_rng(np.random.SeedSequence(seed))
    face = Face.sample(rng)
    canvas = Canvas(size, face.pose, face.head.width, BACKGROUND)
    paint_background(canvas, face.head.skin, rng)
    paint_head(canvas, face, rng)
    paint_cover(canvas, face, rng)
    image, mask = canvas.finish(len(CLASSES))
    return expose(image, face.light, rng), mask


def draw_faces(seed: tuple[int, ...], count: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Draws many faces; the first ones do not depend on how many there are.

    Returns:
        Images, N×H×W×3 uint8, and masks, N×H×W uint8.
    """
    images = np.empty((count, size, size, 3), np.uint8)
    masks = np.empty((count, size, size), np.uint8)
    for index in range(count):
        images[index], masks[index] = draw_face((*seed, index), size)
    return images, masks
