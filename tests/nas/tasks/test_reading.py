from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from nas.errors import UserError
from nas.tasks.reading import read_image, read_mask


def grey_png(rows, depth, width):
    """A grey PNG of packed rows, which Pillow cannot write at fewer than 8 bits."""

    def chunk(kind, body):
        checksum = struct.pack(">I", zlib.crc32(kind + body))
        return struct.pack(">I", len(body)) + kind + body + checksum

    header = struct.pack(">IIBBBBB", width, len(rows), depth, 0, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows))
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def test_palette_masks_give_indices_not_colours(tmp_path):
    mask = Image.fromarray(np.array([[0, 3], [7, 1]], np.uint8), mode="P")
    mask.putpalette([255 - value // 3 for value in range(768)])
    mask.save(tmp_path / "m.png")
    assert read_mask(tmp_path / "m.png").tolist() == [[0, 3], [7, 1]]


@pytest.mark.parametrize(
    ("depth", "row", "values"),
    [(4, b"\x0b\x30", [0, 11, 3]), (2, b"\x6c", [1, 2, 3]), (1, b"\xa0", [1, 0, 1])],
)
def test_grey_masks_of_few_bits_are_not_stretched(tmp_path, depth, row, values):
    (tmp_path / "m.png").write_bytes(grey_png([row], depth, 3))
    assert read_mask(tmp_path / "m.png").tolist() == [values]


def test_a_coloured_mask_is_refused(tmp_path):
    Image.new("RGB", (4, 4)).save(tmp_path / "m.png")
    with pytest.raises(UserError, match=r"m\.png.*mode RGB"):
        read_mask(tmp_path / "m.png")


def test_a_truncated_image_is_named(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.png")
    whole = (tmp_path / "a.png").read_bytes()
    (tmp_path / "a.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match=r"a\.png: not a readable image"):
        read_image(tmp_path / "a.png")


def test_a_text_file_is_not_an_image(tmp_path):
    (tmp_path / "a.jpg").write_text("no image")
    with pytest.raises(UserError, match=r"a\.jpg: not a readable image"):
        read_image(tmp_path / "a.jpg")
