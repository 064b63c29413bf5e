"""An image and its mask that are painted together, in the coordinates of a head."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageChops, ImageDraw

from nas.tasks.faces.parameters import Colour, Pose

# The head's depth in head units; it decides how far the features shift when the head turns.
_DEPTH = 0.8
_SUPERSAMPLING = 4


class Canvas:
    """Paints filled shapes on a supersampled image, and their class on a mask of the same size.

    Args:
        size: Side of the finished square image, in pixels.
        pose: The head's pose.
        head_width: Half the head's width in head units.
        background: Class of whatever is not painted.
    """

    def __init__(self, size: int, pose: Pose, head_width: float, background: int) -> None:
        self._pose = pose
        self._head_width = head_width
        self._pixels = size * _SUPERSAMPLING
        self._image = Image.new("RGB", (self._pixels, self._pixels))
        self._mask = Image.new("L", (self._pixels, self._pixels), background)
        self._image_draw = ImageDraw.Draw(self._image)
        self._mask_draw = ImageDraw.Draw(self._mask)

    def on_head(self, points: np.ndarray, lift: np.ndarray | float = 0.0) -> np.ndarray:
        """Pixels of points (N×2, head units) that lie on the curved front of the turned head.

        Args:
            points: Where the points would be on a head that looks straight ahead.
            lift: How far they stand out of the head, in head units.
        """
        pose = self._pose
        radius = (points[:, 0] / self._head_width) ** 2 + (points[:, 1] / 1.05) ** 2
        z = _DEPTH * np.sqrt(np.clip(1 - radius, 0, 1)) + lift
        x = points[:, 0] * np.cos(pose.yaw) + z * np.sin(pose.yaw)
        y = points[:, 1] * np.cos(pose.pitch) + z * np.sin(pose.pitch)
        return self.in_plane(np.stack([x, y], axis=1))

    def in_plane(self, points: np.ndarray) -> np.ndarray:
        """Pixels of points (N×2, head units) that turn with the head in the image plane only."""
        pose = self._pose
        cosine, sine = np.cos(pose.roll), np.sin(pose.roll)
        turned = points @ np.array([[cosine, sine], [-sine, cosine]])
        return self.in_image(turned * pose.scale + (pose.x, pose.y))

    def in_image(self, points: np.ndarray) -> np.ndarray:
        """Pixels of points (N×2) given as shares of the image's side."""
        return points * self._pixels

    def fill(self, pixels: np.ndarray, colour: Colour, label: int | None) -> None:
        """Fills a polygon (N×2 pixels); without a label the mask stays as it is."""
        corners = pixels.ravel().tolist()
        self._image_draw.polygon(corners, fill=colour)
        if label is not None:
            self._mask_draw.polygon(corners, fill=label)

    def stroke(self, pixels: np.ndarray, width: float, colour: Colour, label: int | None) -> None:
        """Draws a line of round ends through N×2 pixels; `width` is in head units."""
        pen = max(round(width * self._pose.scale * self._pixels), 1)
        self._line(self._image_draw, pixels, pen, colour)
        if label is not None:
            self._line(self._mask_draw, pixels, pen, label)

    def texture(self, noise: np.ndarray) -> None:
        """Adds a coarse pattern (H×W×3, grey levels) to everything that is painted so far."""
        pattern = Image.fromarray((noise + 128).clip(0, 255).astype(np.uint8))
        smooth = pattern.resize(self._image.size, Image.Resampling.BICUBIC)
        self._image.paste(ImageChops.add(self._image, smooth, offset=-128))

    def finish(self, num_classes: int) -> tuple[Image.Image, np.ndarray]:
        """Returns the image at its final size and the mask (H×W uint8) by majority of pixels."""
        mask = np.asarray(self._mask)
        votes = [_block_sums((mask == label).view(np.uint8)) for label in range(num_classes)]
        return self._image.reduce(_SUPERSAMPLING), np.argmax(votes, axis=0).astype(np.uint8)

    @staticmethod
    def _line(draw: ImageDraw.ImageDraw, pixels: np.ndarray, pen: int, ink: Colour | int) -> None:
        draw.line(pixels.ravel().tolist(), fill=ink, width=pen, joint="curve")
        for x, y in pixels[[0, -1]]:
            draw.ellipse((x - pen / 2, y - pen / 2, x + pen / 2, y + pen / 2), fill=ink)


def ellipse(x: float, y: float, half_width: float, half_height: float) -> np.ndarray:
    """Points (N×2) of an ellipse."""
    angle = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    return np.stack([x + half_width * np.cos(angle), y + half_height * np.sin(angle)], axis=1)


def rounded(corners: np.ndarray) -> np.ndarray:
    """A smooth closed curve through the middle of a polygon's sides (Chaikin's corner cutting)."""
    for _ in range(2):
        following = np.roll(corners, -1, axis=0)
        cut = np.stack([0.75 * corners + 0.25 * following, 0.25 * corners + 0.75 * following], 1)
        corners = cut.reshape(-1, 2)
    return corners


def _block_sums(hits: np.ndarray) -> np.ndarray:
    # Sums of slices; a reduction over a reshaped array takes ten times as long.
    starts = range(_SUPERSAMPLING)
    rows = np.add.reduce([hits[start::_SUPERSAMPLING] for start in starts])
    sums: np.ndarray = np.add.reduce([rows[:, start::_SUPERSAMPLING] for start in starts])
    return sums
