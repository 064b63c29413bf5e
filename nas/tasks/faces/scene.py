"""Paints what is around a head: the clutter behind it, what covers it, and the light on it."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageFilter

from nas.tasks.faces.anatomy import BACKGROUND, outline
from nas.tasks.faces.canvas import Canvas, ellipse, rounded
from nas.tasks.faces.parameters import Colour, Cover, Face, Light, any_colour, mix

_SQUARE = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])


def paint_background(canvas: Canvas, skin: Colour, rng: np.random.Generator) -> None:
    """Paints a backdrop with shapes, some of them in the colour of the skin, and a texture."""
    canvas.fill(canvas.in_image(_SQUARE), any_colour(rng), BACKGROUND)
    for _ in range(rng.integers(4, 14)):
        centre, spread = rng.uniform(0, 1, size=2), rng.uniform(0.04, 0.35)
        corners = centre + rng.uniform(-spread, spread, size=(rng.integers(3, 7), 2))
        shape = rounded(corners) if rng.uniform() < 0.5 else corners
        familiar = mix(skin, any_colour(rng), rng.uniform(0, 0.3))
        colour = familiar if rng.uniform() < 0.25 else any_colour(rng)
        canvas.fill(canvas.in_image(shape), colour, BACKGROUND)
    for _ in range(rng.integers(0, 6)):
        _paint_disc_with_spot(canvas, rng)
    canvas.texture(rng.normal(0, rng.uniform(2, 16), size=(12, 12, 3)))


def _paint_disc_with_spot(canvas: Canvas, rng: np.random.Generator) -> None:
    """A light disc with a dark spot: an eye by its colours, but not by its place."""
    (x, y), radius = rng.uniform(0, 1, size=2), rng.uniform(0.02, 0.06)
    disc = ellipse(x, y, radius, rng.uniform(0.4, 1) * radius)
    canvas.fill(canvas.in_image(disc), mix((250, 250, 245), any_colour(rng), 0.2), BACKGROUND)
    spot = ellipse(x, y, 0.45 * radius, 0.45 * radius)
    canvas.fill(canvas.in_image(spot), mix(any_colour(rng), (0, 0, 0), 0.6), BACKGROUND)


def paint_cover(canvas: Canvas, face: Face, rng: np.random.Generator) -> None:
    """Paints what covers the face.

    What hides a part becomes background; what can be looked through, such as the frame of clear
    glasses, leaves the classes of the part as they are.
    """
    if face.cover.hat:
        _paint_hat(canvas, face, rng)
    painters = {
        "glasses": _paint_glasses,
        "sunglasses": _paint_sunglasses,
        "hand": _paint_hand,
        "bar": _paint_bar,
        "mask": _paint_face_mask,
    }
    if face.cover.kind in painters:
        painters[face.cover.kind](canvas, face, rng)


def _paint_hat(canvas: Canvas, face: Face, rng: np.random.Generator) -> None:
    colour, brim = any_colour(rng), rng.uniform(-0.75, -0.5)
    shape = outline(face.head, face.hair.volume + 0.1)
    shape = shape[shape[:, 1] < brim + 0.1]
    shape = shape[np.argsort(shape[:, 0])]
    canvas.fill(canvas.in_plane(shape), colour, BACKGROUND)
    edge = np.array([[shape[0, 0] - 0.05, brim], [0, brim + 0.12], [shape[-1, 0] + 0.05, brim]])
    canvas.stroke(canvas.in_plane(edge), 0.16, mix(colour, (0, 0, 0), 0.3), BACKGROUND)


def _lenses(face: Face) -> list[np.ndarray]:
    width = min(face.eyes.spacing - 0.06, 0.28)
    height = face.eyes.height + 0.03
    return [ellipse(side * face.eyes.spacing, height, width, 0.72 * width) for side in (-1, 1)]


def _paint_frame(canvas: Canvas, face: Face, width: float, label: int | None) -> None:
    for lens in _lenses(face):
        ring = np.vstack([lens, lens[:1]])
        canvas.stroke(canvas.on_head(ring, 0.06), width, face.cover.colour, label)
    height = face.eyes.height
    bridge = np.array([[-0.09, height], [0, height - 0.03], [0.09, height]])
    canvas.stroke(canvas.on_head(bridge, 0.1), width, face.cover.colour, label)


def _paint_glasses(canvas: Canvas, face: Face, rng: np.random.Generator) -> None:
    _paint_frame(canvas, face, rng.uniform(0.02, 0.055), None)


def _paint_sunglasses(canvas: Canvas, face: Face, rng: np.random.Generator) -> None:
    tint = mix(face.cover.colour, (10, 10, 10), rng.uniform(0.5, 0.95))
    for lens in _lenses(face):
        canvas.fill(canvas.on_head(lens, 0.06), tint, BACKGROUND)
    _paint_frame(canvas, face, 0.05, BACKGROUND)


def _paint_hand(canvas: Canvas, face: Face, rng: np.random.Generator) -> None:
    cover = face.cover
    inwards = np.array([np.cos(cover.angle), np.sin(cover.angle)])
    across = np.array([-inwards[1], inwards[0]])
    tip = inwards * rng.uniform(0.15, 0.6)
    for finger in range(rng.integers(2, 5)):
        start = tip + across * (0.17 * finger - 0.25) - inwards * rng.uniform(0, 0.2)
        path = np.stack([start, start + inwards * 3])
        shade = mix(cover.colour, (0, 0, 0), 0.06 * finger)
        canvas.stroke(canvas.in_plane(path), 0.17, shade, BACKGROUND)


def _paint_bar(canvas: Canvas, face: Face, rng: np.random.Generator) -> None:
    cover = face.cover
    along = np.array([np.cos(cover.angle), np.sin(cover.angle)])
    centre = np.array([-along[1], along[0]]) * cover.offset
    path = np.stack([centre - 4 * along, centre + 4 * along])
    canvas.stroke(canvas.in_plane(path), cover.width, cover.colour, BACKGROUND)
    stripe = mix(cover.colour, any_colour(rng), 0.5)
    canvas.stroke(canvas.in_plane(path), 0.4 * cover.width, stripe, BACKGROUND)


def _paint_face_mask(canvas: Canvas, face: Face, rng: np.random.Generator) -> None:
    top, width = rng.uniform(0.05, 0.4), face.head.width
    corners = np.array([[-width, top], [0, top - 0.12], [width, top], [0.7 * width, 0.75]])
    corners = np.vstack([corners, [0, 1.05], [-0.7 * width, 0.75]])
    canvas.fill(canvas.on_head(rounded(corners), 0.08), _pale(face.cover), BACKGROUND)


def _pale(cover: Cover) -> Colour:
    return mix(cover.colour, (235, 238, 240), 0.4)


def expose(image: Image.Image, light: Light, rng: np.random.Generator) -> np.ndarray:
    """Lights an image and records it with the camera's faults.

    Returns:
        H×W×3 uint8.
    """
    blurred = image.filter(ImageFilter.GaussianBlur(light.blur))
    values = np.asarray(blurred, np.float32) / 255
    height, width = values.shape[:2]
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    across, down = x / width - 0.5, y / height - 0.5
    ramp = np.cos(light.direction) * across + np.sin(light.direction) * down
    shade = 1 + light.gradient * 2 * ramp
    edge = 1 / (1 + np.exp(-30 * (ramp - light.shadow_offset)))
    lit = values * (shade * (1 - light.shadow * edge))[..., None] * np.asarray(light.tint)
    lit = np.clip(lit, 0, 1) ** light.gamma
    lit = (1 - light.haze) * lit + light.haze * 0.55
    grain = rng.normal(0, light.noise / 255, size=values.shape)
    levels: np.ndarray = np.clip(255 * (lit + grain) + 0.5, 0, 255)
    return levels.astype(np.uint8)
