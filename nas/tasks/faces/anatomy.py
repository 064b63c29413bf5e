"""Paints the parts of a head, from the hair behind it to the fringe before it."""

from __future__ import annotations

import numpy as np

from nas.tasks.faces.canvas import Canvas, ellipse, rounded
from nas.tasks.faces.parameters import Colour, Face, Head, mix

BACKGROUND, SKIN, LEFT_BROW, RIGHT_BROW, LEFT_EYE, RIGHT_EYE = range(6)
NOSE, UPPER_LIP, INNER_MOUTH, LOWER_LIP, HAIR = range(6, 11)

CLASSES = (
    "background",
    "skin",
    "left_brow",
    "right_brow",
    "left_eye",
    "right_eye",
    "nose",
    "upper_lip",
    "inner_mouth",
    "lower_lip",
    "hair",
)

_BLACK: Colour = (0, 0, 0)
_WHITE: Colour = (255, 255, 255)
# The person's left is at positive x: side, brow, eye.
_SIDES = ((1, LEFT_BROW, LEFT_EYE), (-1, RIGHT_BROW, RIGHT_EYE))


def paint_head(canvas: Canvas, face: Face, rng: np.random.Generator) -> None:
    """Paints the head and its hair over the background."""
    _paint_back_hair(canvas, face)
    _paint_body(canvas, face, rng)
    canvas.fill(canvas.in_plane(outline(face.head)), face.head.skin, SKIN)
    _paint_complexion(canvas, face, rng)
    _paint_eyes(canvas, face)
    _paint_mouth(canvas, face)
    _paint_nose(canvas, face)
    _paint_brows(canvas, face)
    _paint_front_hair(canvas, face)


def outline(head: Head, margin: float = 0.0) -> np.ndarray:
    """Points (N×2, head units) of the head's contour, clockwise from the person's left ear."""
    angle = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    cosine, sine = np.cos(angle), np.sin(angle)
    power = np.where(sine > 0, 2 / head.jaw, 1.0)
    x = np.sign(cosine) * np.abs(cosine) ** power * head.width
    x = np.where(sine > 0, x * (1 - (1 - head.chin) * sine), x)
    return np.stack([x, sine], axis=1) * (1 + margin)


def _paint_back_hair(canvas: Canvas, face: Face) -> None:
    hair = face.hair
    if hair.style == "bald":
        return
    shape = outline(face.head, hair.volume)
    if hair.style == "long":
        sides = np.abs(shape[:, 0]) + 0.04
        shape[:, 0] = np.sign(shape[:, 0]) * np.where(
            shape[:, 1] > 0, np.maximum(sides, face.head.width * 0.9), sides
        )
        shape[:, 1] = np.where(shape[:, 1] > 0, shape[:, 1] * hair.length, shape[:, 1])
    else:
        shape[:, 1] = np.minimum(shape[:, 1], hair.length + hair.volume)
    angle = np.linspace(0, 2 * np.pi, len(shape))
    ripple = 1 + 0.5 * hair.waviness * np.sin(3 * hair.waves * angle)
    canvas.fill(canvas.in_plane(shape * ripple[:, None]), hair.colour, HAIR)


def _paint_body(canvas: Canvas, face: Face, rng: np.random.Generator) -> None:
    shade = mix(face.head.skin, _BLACK, rng.uniform(0.05, 0.25))
    half = face.head.width * rng.uniform(0.45, 0.65)
    neck = np.array([[-half, 0.4], [half, 0.4], [1.15 * half, 1.7], [-1.15 * half, 1.7]])
    canvas.fill(canvas.in_plane(neck), shade, BACKGROUND)
    cloth = _any_cloth(rng)
    slope = rng.uniform(0.1, 0.5)
    shoulders = np.array([[-0.6, 1.35], [0.6, 1.35], [1.6, 1.35 + slope], [2.2, 3.5], [-2.2, 3.5]])
    shoulders = np.vstack([shoulders, [-1.6, 1.35 + slope]])
    canvas.fill(canvas.in_plane(rounded(shoulders)), cloth, BACKGROUND)
    for side in (-1, 1):
        ear = ellipse(side * face.head.width, 0.02, 0.11, 0.2)
        # The ear on the far side disappears behind the turned head.
        ear[:, 0] -= 0.35 * face.pose.yaw
        canvas.fill(canvas.in_plane(ear), mix(face.head.skin, _BLACK, 0.08), BACKGROUND)


def _any_cloth(rng: np.random.Generator) -> Colour:
    red, green, blue = (int(value) for value in rng.integers(10, 245, size=3))
    return red, green, blue


def _paint_complexion(canvas: Canvas, face: Face, rng: np.random.Generator) -> None:
    head = face.head
    blush = mix(head.skin, (205, 70, 70), head.cheeks)
    for side in (-1, 1):
        canvas.fill(canvas.on_head(ellipse(side * 0.38, 0.26, 0.17, 0.13)), blush, None)
    if head.stubble:
        lower = outline(head, -0.03)
        lower[:, 1] = np.maximum(lower[:, 1], 0.34)
        canvas.fill(canvas.in_plane(lower), mix(head.skin, face.hair.colour, head.stubble), None)
    for x, y in rng.uniform(-0.6, 0.7, size=(rng.integers(0, 4), 2)):
        spot = ellipse(x, y, 0.03, 0.03)
        canvas.fill(canvas.on_head(spot), mix(head.skin, _BLACK, 0.35), None)
    # Shadow between brow and eye: without it the darkest spot would always be a brow or an eye.
    for side in (-1, 1):
        socket = ellipse(side * face.eyes.spacing, face.eyes.height, 0.26, 0.17)
        canvas.fill(canvas.on_head(socket), mix(head.skin, _BLACK, rng.uniform(0, 0.2)), None)


def _paint_eyes(canvas: Canvas, face: Face) -> None:
    eyes = face.eyes
    for (side, _, label), openness in zip(_SIDES, eyes.openness, strict=True):
        height = eyes.half_width * openness
        middle = side * eyes.spacing
        contour = _almond(middle, eyes.height, eyes.half_width, height)
        contour = _turned(contour, middle, eyes.height, side * eyes.slant)
        canvas.fill(canvas.on_head(contour), eyes.sclera, label)
        radius = min(0.55 * eyes.half_width, height)
        x = middle + eyes.gaze[0] * eyes.half_width
        y = eyes.height + eyes.gaze[1] * height
        canvas.fill(canvas.on_head(ellipse(x, y, radius, 0.9 * radius)), eyes.iris, None)
        pupil = ellipse(x, y, 0.45 * radius, 0.45 * radius)
        canvas.fill(canvas.on_head(pupil), mix(eyes.iris, _BLACK, 0.8), None)
        lid = contour[len(contour) // 2 :]
        canvas.stroke(canvas.on_head(lid), 0.03, mix(face.head.skin, _BLACK, 0.45), None)


def _almond(x: float, y: float, half_width: float, half_height: float) -> np.ndarray:
    angle = np.linspace(0, 2 * np.pi, 28, endpoint=False)
    sine = np.sin(angle)
    rise = np.sign(sine) * np.abs(sine) ** 1.4
    return np.stack([x + half_width * np.cos(angle), y + half_height * rise], axis=1)


def _turned(points: np.ndarray, x: float, y: float, angle: float) -> np.ndarray:
    cosine, sine = np.cos(angle), np.sin(angle)
    centre = np.array([x, y])
    turned: np.ndarray = (points - centre) @ np.array([[cosine, sine], [-sine, cosine]])
    return turned + centre


def _paint_brows(canvas: Canvas, face: Face) -> None:
    brows = face.brows
    along = np.linspace(-1, 1, 12)
    for (side, label, _), slope in zip(_SIDES, brows.slope, strict=True):
        x = side * (face.eyes.spacing + 0.02 + along * brows.half_length)
        middle = face.eyes.height - brows.gap - brows.arch * (1 - along**2)
        middle = middle + slope * along * brows.half_length
        half = brows.thickness * (1 - 0.65 * np.clip(along + 0.2, 0, 1))
        upper = np.stack([x, middle - half], axis=1)
        lower = np.stack([x, middle + half], axis=1)[::-1]
        canvas.fill(canvas.on_head(np.vstack([upper, lower])), brows.colour, label)


def _paint_nose(canvas: Canvas, face: Face) -> None:
    nose, skin = face.nose, face.head.skin
    half, top, bottom = nose.half_width, nose.top, nose.bottom
    corners = np.array(
        [
            [0.35 * half, top],
            [0.45 * half, 0.5 * (top + bottom)],
            [1.25 * half, bottom - 0.06],
            [0.7 * half, bottom + 0.03],
            [0, bottom + 0.06],
        ]
    )
    mirrored = corners[-2::-1] * (-1, 1)
    contour = rounded(np.vstack([corners, mirrored]))
    lift = nose.lift * np.clip((contour[:, 1] - top) / (bottom - top), 0, 1)
    shade = mix(skin, _WHITE if nose.shade > 0 else _BLACK, abs(nose.shade))
    pixels = canvas.on_head(contour, lift)
    canvas.fill(pixels, shade, NOSE)
    far_side = contour[:, 0] * np.sign(face.pose.yaw or 1) <= 0
    canvas.fill(pixels[far_side], mix(shade, _BLACK, 0.12), None)
    for side in (-1, 1):
        nostril = ellipse(side * 0.5 * half, bottom - 0.005, 0.3 * half, 0.03)
        canvas.fill(canvas.on_head(nostril, nose.lift), mix(skin, _BLACK, 0.55), None)


def _paint_mouth(canvas: Canvas, face: Face) -> None:
    mouth = face.mouth
    along = np.linspace(-1, 1, 16)
    x = along * mouth.half_width
    bend = mouth.height + mouth.smile * (0.5 - along**2)
    fullness = 1 - along**2
    cupid = 1 - 0.25 * np.exp(-((along / 0.2) ** 2))
    open_half = 0.5 * mouth.opening * fullness
    top = bend - open_half - mouth.upper * np.sqrt(fullness) * cupid
    bottom = bend + open_half + mouth.lower * np.sqrt(fullness)
    upper_lip, lower_lip = _band(x, top, bend - open_half), _band(x, bend + open_half, bottom)
    canvas.fill(canvas.on_head(upper_lip), mix(mouth.lip, _BLACK, 0.12), UPPER_LIP)
    canvas.fill(canvas.on_head(lower_lip), mouth.lip, LOWER_LIP)
    if not mouth.opening:
        seam = np.stack([x, bend], axis=1)
        canvas.stroke(canvas.on_head(seam), 0.018, mix(mouth.lip, _BLACK, 0.4), None)
        return
    inside = _band(x, bend - open_half, bend + open_half)
    canvas.fill(canvas.on_head(inside), mouth.inside, INNER_MOUTH)
    if mouth.teeth:
        teeth = _band(0.85 * x, bend - open_half, bend - 0.1 * open_half)
        canvas.fill(canvas.on_head(teeth), (232, 226, 214), None)


def _band(x: np.ndarray, top: np.ndarray, bottom: np.ndarray) -> np.ndarray:
    return np.vstack([np.stack([x, top], axis=1), np.stack([x, bottom], axis=1)[::-1]])


def _paint_front_hair(canvas: Canvas, face: Face) -> None:
    hair, head = face.hair, face.head
    if hair.style == "bald":
        return
    crown = outline(head, max(0.5 * hair.volume, 0.05))
    crown = crown[crown[:, 1] < hair.line + 0.25]
    crown = crown[np.argsort(crown[:, 0])]
    along = np.linspace(1, -1, 32)
    half = head.width * np.sqrt(max(1 - hair.line**2, 0.05))
    line = hair.line - 0.12 * (1 - np.abs(along - hair.parting))
    line = line + hair.waviness * np.sin(hair.waves * np.pi * along)
    fringe = canvas.on_head(np.stack([along * half, line], axis=1))
    canvas.fill(np.vstack([canvas.in_plane(crown), fringe]), hair.colour, HAIR)
    strand = mix(hair.colour, _WHITE, 0.15)
    for position in np.linspace(-0.7, 0.7, hair.waves):
        path = np.array([[position * half, -0.98], [1.1 * position * half, hair.line - 0.15]])
        canvas.stroke(canvas.on_head(path), 0.02, strand, None)
