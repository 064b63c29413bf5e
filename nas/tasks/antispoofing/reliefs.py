"""Draws faces as reliefs, and the attacks that show such a face without being one.

A live face has skin, a shape, and the reflectance of skin in infrared. A print and a screen are
flat and show its photograph; a cutout is a print with holes where the attacker's own face looks
through; a mask is a print that is bent around a head. In infrared, ink is nearly invisible, paper
is bright and a screen is dark.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Map = npt.NDArray[np.float64]

LIVE_FACE = "live"
SEQUENCE = (LIVE_FACE, "print", LIVE_FACE, "screen", "mask", "cutout")
"""What the captures of a subject show, over and over."""

_BACKGROUND_DEPTH = 0.12
_PAPER_IR, _SCREEN_IR, _SKIN_IR = (0.4, 0.8), 0.12, 0.62
_PRINT_RASTER, _SCREEN_RASTER = 1.4, 1.6  # radians for each pixel


@dataclass(frozen=True)
class _Subject:
    """What stays the same in all captures of a face; lengths in halves of the image's side."""

    width: float
    height: float
    depth: float
    nose: float
    eyes: float
    mouth: float
    skin: Map
    lips: Map
    freckles: Map

    @classmethod
    def drawn(cls, rng: np.random.Generator, size: int) -> _Subject:
        tone = rng.uniform(0.35, 0.85)
        skin = np.clip(
            tone * np.array([1.0, rng.uniform(0.72, 0.86), rng.uniform(0.55, 0.75)]), 0, 1
        )
        return cls(
            width=rng.uniform(0.52, 0.68),
            height=rng.uniform(0.7, 0.86),
            depth=rng.uniform(0.45, 0.6),
            nose=rng.uniform(0.14, 0.24),
            eyes=rng.uniform(0.22, 0.3),
            mouth=rng.uniform(0.36, 0.46),
            skin=skin,
            lips=np.clip(skin * np.array([1.0, 0.6, 0.6]), 0, 1),
            freckles=_smooth_noise(rng, size, 8),
        )


@dataclass(frozen=True)
class _Head:
    """A face in front of the camera: maps of the height, the colour and where it is."""

    depth: Map
    colour: Map
    face: Map
    eyes: Map


def draw_capture(
    seed: tuple[int, ...], subject: int, capture: int, size: int
) -> npt.NDArray[np.uint8]:
    """Draws one capture of a subject: what it shows, `SEQUENCE` tells by its number.

    Args:
        seed: Decides all subjects and captures.
        subject: Number of the subject.
        capture: Number of the capture.
        size: Side of the image in pixels.

    Returns:
        5×size×size: red, green, blue, depth (near is bright) and infrared.
    """
    person = _Subject.drawn(np.random.default_rng([*seed, subject]), size)
    rng = np.random.default_rng([*seed, subject, capture + 1])
    shown = SEQUENCE[capture % len(SEQUENCE)]
    head = _head(person, rng, size)
    background = _background(rng, size)
    if shown == LIVE_FACE:
        rgb, depth, infrared = _live(head, background, rng)
    else:
        rgb, depth, infrared = _attack(shown, head, background, rng)
    rgb = _photographed(rgb, rng)
    depth = depth + rng.normal(0, 0.012, depth.shape)
    # Sensors of depth lose what they get no echo from.
    depth = np.where(rng.random(depth.shape) < 0.01, 0, depth)
    infrared = infrared * rng.uniform(0.85, 1.15) + rng.normal(0, 0.02, infrared.shape)
    image = np.concatenate([rgb, depth[None], infrared[None]])
    return np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)


def _head(person: _Subject, rng: np.random.Generator, size: int) -> _Head:
    across, down = rng.uniform(-0.12, 0.12, 2)
    scale, turn = rng.uniform(0.92, 1.08), rng.uniform(-0.18, 0.18)
    y, x = (axis / scale for axis in np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j])
    x, y = x - across, y - down
    radius = (x / person.width) ** 2 + (y / person.height) ** 2
    face = (radius < 1).astype(float)
    dome = person.depth * np.sqrt(np.clip(1 - radius, 0, 1))
    # What stands out moves aside as the head turns.
    nose = person.nose * _blob(x - turn * 0.6, y - 0.05, 0.09, 0.2)
    sides = [_blob(x - turn * 0.3 - side * person.eyes, y + 0.18, 0.1, 0.06) for side in (-1, 1)]
    sockets = np.maximum(*sides)
    brows = np.maximum(
        *[_blob(x - turn * 0.35 - s * person.eyes, y + 0.33, 0.13, 0.03) for s in (-1, 1)]
    )
    lips = _blob(x - turn * 0.4, y - person.mouth, 0.18, 0.05)
    depth = _BACKGROUND_DEPTH + (0.2 + dome + nose - 0.08 * sockets + 0.04 * lips) * face
    skin = person.skin[:, None, None] * (1 + 0.12 * person.freckles)
    colour = skin * (1 - 0.75 * np.clip(sockets + brows, 0, 1))
    colour = colour + (person.lips[:, None, None] - colour) * lips
    return _Head(depth, np.clip(colour, 0, 1), face, sockets)


def _live(head: _Head, background: Map, rng: np.random.Generator) -> tuple[Map, Map, Map]:
    rgb = _lit(head, rng) * head.face + background * (1 - head.face)
    frontal = _normals(head.depth)[2]
    infrared = _SKIN_IR * (0.4 + 0.6 * frontal) * (1 - 0.7 * head.eyes) * head.face
    return rgb, head.depth, infrared + 0.1 * (1 - head.face)


def _attack(
    shown: str, head: _Head, background: Map, rng: np.random.Generator
) -> tuple[Map, Map, Map]:
    size = len(head.face)
    y, x = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]
    photograph = _lit(head, rng) * head.face + _background(rng, size) * (1 - head.face)
    sheet = _rectangle(x, y, rng)
    slope = rng.uniform(-0.08, 0.08, 2)
    plane = _BACKGROUND_DEPTH + 0.35 + slope[0] * x + slope[1] * y
    picture = _reproduced(photograph, shown, rng)
    if shown == "mask":
        sheet = head.face
        # A sheet bends one way only: a cylinder, without nose and eyes.
        half = np.abs(x[0][head.face.max(axis=0) > 0]).max()
        bent = np.sqrt(np.clip(1 - (x / (half * 1.15)) ** 2, 0, 1))
        plane = _BACKGROUND_DEPTH + 0.25 + 0.42 * bent
    rgb = picture * sheet + background * (1 - sheet)
    depth = plane * sheet + _BACKGROUND_DEPTH * (1 - sheet)
    bright = _SCREEN_IR if shown == "screen" else rng.uniform(*_PAPER_IR)
    ink = 0.05 * (photograph.mean(axis=0) - 0.5)
    infrared = (bright + ink) * sheet + 0.1 * (1 - sheet)
    if shown == "cutout":
        hole = np.clip(1.5 * _hole(head, rng, x, y), 0, 1) * head.face
        own_rgb, own_depth, own_infrared = _live(head, background, rng)
        rgb = own_rgb * hole + rgb * (1 - hole)
        depth = own_depth * hole + depth * (1 - hole)
        infrared = own_infrared * hole + infrared * (1 - hole)
    return rgb, depth, infrared


def _hole(head: _Head, rng: np.random.Generator, x: Map, y: Map) -> Map:
    """Where the attacker's own face looks through: the eyes, or a half of the face."""
    if rng.random() < 0.5:
        return (head.eyes > 0.3).astype(float)
    angle = rng.uniform(0, 2 * np.pi)
    return (x * np.cos(angle) + y * np.sin(angle) > 0.1).astype(float)


def _reproduced(photograph: Map, shown: str, rng: np.random.Generator) -> Map:
    """A photograph as paper or a screen shows it: paler, with its raster.

    Cameras and lamps change contrast as much, so that a network has to find the raster.
    """
    size = photograph.shape[-1]
    rows, columns = np.mgrid[:size, :size]
    phase = rng.uniform(0, 2 * np.pi, 2)
    if shown == "screen":
        waves = np.sin(columns * _SCREEN_RASTER + phase[0])
        raster = waves[None] * np.array([1.0, -0.5, 0.5])[:, None, None]
    else:
        waves = np.sin(rows * _PRINT_RASTER + phase[0])
        raster = (waves * np.sin(columns * _PRINT_RASTER + phase[1]))[None]
    pale = rng.uniform(0.75, 0.95)
    shown_again = 0.5 + pale * (photograph - 0.5) + rng.uniform(0.04, 0.1) * raster
    return np.clip(shown_again, 0, 1)


def _photographed(rgb: Map, rng: np.random.Generator) -> Map:
    """What the camera makes of it: exposure, white balance, contrast and noise."""
    balance = rng.uniform(0.92, 1.08, 3)[:, None, None]
    contrast = rng.uniform(0.88, 1.05)
    exposed = 0.5 + contrast * (rgb * balance - 0.5) + rng.uniform(-0.05, 0.05)
    return exposed + rng.normal(0, rng.uniform(0.01, 0.03), rgb.shape)


def _lit(head: _Head, rng: np.random.Generator) -> Map:
    """The colours of a head under a lamp that stands somewhere before it."""
    lamp = np.array([rng.uniform(-0.8, 0.8), rng.uniform(-0.7, 0.3), 1.0])
    lamp /= np.linalg.norm(lamp)
    ambient = rng.uniform(0.3, 0.5)
    shade = np.clip(np.tensordot(lamp, _normals(head.depth), axes=1), 0, 1)
    return np.clip(head.colour * (ambient + (1 - ambient) * shade) * 1.25, 0, 1)


def _normals(depth: Map) -> Map:
    """Unit normals of a surface, 3×H×W."""
    step = 2 / len(depth)
    down, across = np.gradient(depth, step)
    normals = np.stack([-across, -down, np.ones_like(depth)])
    return normals / np.linalg.norm(normals, axis=0)


def _background(rng: np.random.Generator, size: int) -> Map:
    """A wall with something rectangular behind the head, such as a window or a picture."""
    wall, thing = rng.uniform(0.15, 0.85, (2, 3))[:, :, None, None]
    y, x = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]
    within = _rectangle(x, y, rng)
    return np.clip(thing * within + wall * (1 - within) + 0.1 * _smooth_noise(rng, size, 4), 0, 1)


def _rectangle(x: Map, y: Map, rng: np.random.Generator) -> Map:
    """Where a rectangle is that is about as large as the image, or larger."""
    return (np.maximum(np.abs(x), np.abs(y) / 1.1) < rng.uniform(0.8, 1.2)).astype(float)


def _blob(x: Map, y: Map, width: float, height: float) -> Map:
    return np.exp(-((x / width) ** 2) - (y / height) ** 2)


def _smooth_noise(rng: np.random.Generator, size: int, cells: int) -> Map:
    """Noise of about standard deviation 1 that changes over a grid of cells, size×size."""
    coarse = rng.normal(size=(cells + 1, cells + 1))
    places = np.linspace(0, cells, size, endpoint=False)
    low = places.astype(int)
    share = places - low
    rows = coarse[low] * (1 - share)[:, None] + coarse[low + 1] * share[:, None]
    return rows[:, low] * (1 - share) + rows[:, low + 1] * share
