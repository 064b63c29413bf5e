from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageOps

from nas.errors import UserError
from nas.tasks.reading import read_image, read_mask, resize


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


def upright(path):
    with Image.open(path) as image:
        return np.asarray(ImageOps.exif_transpose(image))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["png", "tiff"])
def test_images_are_turned_upright(tmp_path, orientation, suffix):
    pixels = np.random.default_rng(0).integers(0, 255, (5, 7, 3), np.uint8)
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(pixels).save(path, exif=exif)
    found = read_image(path)
    assert found.shape == ((7, 5, 3) if orientation > 4 else (5, 7, 3))
    assert np.array_equal(found, upright(path))
    assert np.array_equal(read_image(path, 3), found)


def test_masks_are_turned_like_their_images(tmp_path):
    values = np.arange(35, dtype=np.uint8).reshape(5, 7)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(values).save(tmp_path / "m.png", exif=exif)
    assert np.array_equal(read_mask(tmp_path / "m.png"), np.rot90(values, -1))


def test_damaged_exif_data_are_passed_over(tmp_path):
    Image.new("RGB", (7, 5)).save(tmp_path / "a.png", exif=b"damaged")
    assert read_image(tmp_path / "a.png").shape == (5, 7, 3)


def test_colour_becomes_one_channel_for_grey(tmp_path):
    Image.new("RGB", (7, 5), (10, 20, 30)).save(tmp_path / "a.png")
    grey = read_image(tmp_path / "a.png", "grey")
    assert grey.shape == (5, 7, 1)
    assert np.unique(grey).tolist() == [round(0.299 * 10 + 0.587 * 20 + 0.114 * 30)]


@pytest.mark.parametrize("channels", ["rgb", "grey", 1])
def test_more_than_8_bits_are_refused(tmp_path, channels):
    Image.fromarray(np.full((5, 7), 4000, np.uint16)).save(tmp_path / "a.png")
    with pytest.raises(UserError, match=r"a\.png: more than 8 bits per channel .* save it with 8"):
        read_image(tmp_path / "a.png", channels)


@pytest.mark.parametrize("bands", [1, 2, 5])
def test_an_array_gives_its_bands(tmp_path, bands):
    pixels = np.random.default_rng(0).integers(0, 255, (5, 7, bands), np.uint8)
    np.save(tmp_path / "a.npy", pixels)
    assert np.array_equal(read_image(tmp_path / "a.npy", bands), pixels)


def test_an_array_without_a_last_axis_is_one_band(tmp_path):
    np.save(tmp_path / "a.npy", np.ones((5, 7), np.uint8))
    assert read_image(tmp_path / "a.npy", 1).shape == (5, 7, 1)


def test_a_tiff_gives_its_four_channels(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 255, (5, 7, 4), np.uint8)
    Image.fromarray(pixels, mode="CMYK").save(tmp_path / "a.tiff")
    assert np.array_equal(read_image(tmp_path / "a.tiff", 4), pixels)


def test_the_pages_of_a_tiff_are_its_bands(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 255, (5, 7, 6), np.uint8)
    pages = [Image.fromarray(pixels[..., band]) for band in range(6)]
    pages[0].save(tmp_path / "a.tiff", save_all=True, append_images=pages[1:])
    assert np.array_equal(read_image(tmp_path / "a.tiff", 6), pixels)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros((5, 7, 4), np.uint8), "says 5 channels, .* the file holds 5x7x4"),
        (np.zeros((2, 5, 7, 5), np.uint8), "the file holds 2x5x7x5"),
        (np.zeros((5, 7, 5), np.float32), "an array of uint8, not of float32"),
        (np.array([{}]), "not a readable array"),
    ],
)
def test_another_array_is_refused(tmp_path, values, message):
    np.save(tmp_path / "a.npy", values)
    with pytest.raises(UserError, match=rf"a\.npy: .*{message}"):
        read_image(tmp_path / "a.npy", 5)


def test_a_palette_is_no_channel(tmp_path):
    Image.new("P", (7, 5)).save(tmp_path / "a.png")
    with pytest.raises(UserError, match="a palette or single bits"):
        read_image(tmp_path / "a.png", 1)


@pytest.mark.parametrize("channels", [1, 2, 3, 5])
def test_channels_are_resized_one_like_the_other(channels):
    pixels = np.random.default_rng(0).integers(0, 255, (9, 11, 1), np.uint8)
    resized = resize(np.repeat(pixels, channels, axis=-1), (4, 6), (1.0, 0.5, 10.0, 8.0))
    one = resize(pixels, (4, 6), (1.0, 0.5, 10.0, 8.0))
    assert resized.shape == (4, 6, channels)
    assert np.array_equal(resized, np.repeat(one, channels, axis=-1))
