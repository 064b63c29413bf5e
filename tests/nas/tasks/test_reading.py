from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageOps

from nas.errors import UserError
from nas.tasks.mask_files import mask_palette, read_mask
from nas.tasks.reading import ImageReader, content_of, resize


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
        ImageReader().read(tmp_path / "a.png")


def test_a_text_file_is_not_an_image(tmp_path):
    (tmp_path / "a.jpg").write_text("no image")
    with pytest.raises(UserError, match=r"a\.jpg: not a readable image"):
        ImageReader().read(tmp_path / "a.jpg")


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
    found = ImageReader().read(path)
    assert found.shape == ((7, 5, 3) if orientation > 4 else (5, 7, 3))
    assert np.array_equal(found, upright(path))
    assert np.array_equal(ImageReader(3).read(path), found)


def test_masks_are_turned_like_their_images(tmp_path):
    values = np.arange(35, dtype=np.uint8).reshape(5, 7)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(values).save(tmp_path / "m.png", exif=exif)
    assert np.array_equal(read_mask(tmp_path / "m.png"), np.rot90(values, -1))


def test_damaged_exif_data_are_passed_over(tmp_path):
    Image.new("RGB", (7, 5)).save(tmp_path / "a.png", exif=b"damaged")
    assert ImageReader().read(tmp_path / "a.png").shape == (5, 7, 3)


def test_colour_becomes_one_channel_for_grey(tmp_path):
    Image.new("RGB", (7, 5), (10, 20, 30)).save(tmp_path / "a.png")
    grey = ImageReader("grey").read(tmp_path / "a.png")
    assert grey.shape == (5, 7, 1)
    assert np.unique(grey).tolist() == [round(0.299 * 10 + 0.587 * 20 + 0.114 * 30)]


WORDS = np.array([[0, 257, 32896, 65535]], np.uint16)
EIGHT = [[0, 1, 128, 255]]


def _words(path, values=WORDS):
    if path.suffix == ".npy":
        np.save(path, values[..., None])
    else:
        Image.fromarray(values).save(path)
    return path


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.pgm", "a.npy"])
@pytest.mark.parametrize("channels", ["rgb", "grey", 1])
def test_sixteen_bits_are_scaled_by_the_range_of_their_type(tmp_path, name, channels):
    if name == "a.npy" and channels != 1:
        pytest.skip("arrays are images of counted channels alone")
    found = ImageReader(channels).read(_words(tmp_path / name))
    assert found.dtype == np.uint8
    assert found[..., 0].tolist() == EIGHT
    assert (found == found[..., :1]).all()


@pytest.mark.parametrize("channels", ["rgb", 1])
def test_a_range_of_values_is_that_of_the_user(tmp_path, channels):
    reader = ImageReader(channels, (1000, 2000))
    values = np.array([[0, 1000, 1500, 4095]], np.uint16)
    assert reader.read(_words(tmp_path / "a.png", values))[..., 0].tolist() == [[0, 0, 128, 255]]


@pytest.mark.parametrize("channels", ["rgb", "grey", 1])
def test_floats_need_a_range(tmp_path, channels):
    path = _words(tmp_path / "a.tif", np.array([[0.0, 0.5, 1.0]], np.float32))
    with pytest.raises(UserError, match=r"a\.tif: values of float32 .* give value_range"):
        ImageReader(channels).read(path)
    assert ImageReader(channels, (0, 1)).read(path)[..., 0].tolist() == [[0, 128, 255]]


def test_values_that_are_no_numbers_are_refused(tmp_path):
    path = _words(tmp_path / "a.tif", np.array([[0.0, np.nan]], np.float32))
    with pytest.raises(UserError, match="no finite numbers"):
        ImageReader("grey", (0, 1)).read(path)


def _cut_out(path):
    pixels = np.full((4, 6, 4), (200, 10, 10, 0), np.uint8)
    pixels[:, 3:] = (10, 20, 30, 255)
    Image.fromarray(pixels).save(path)


@pytest.mark.parametrize("suffix", [".png", ".webp", ".tif"])
def test_what_is_transparent_is_white_and_not_its_leftover_colour(tmp_path, suffix):
    _cut_out(tmp_path / f"a{suffix}")
    found = ImageReader().read(tmp_path / f"a{suffix}")
    assert found[0, 0].tolist() == [255, 255, 255]
    assert np.abs(found[0, 5].astype(int) - (10, 20, 30)).max() <= 3
    assert ImageReader("grey").read(tmp_path / f"a{suffix}")[0, 0] == 255
    assert ImageReader().look(tmp_path / f"a{suffix}")[1] == (
        "laid on white where they are transparent",
    )


def test_counted_channels_keep_the_transparency(tmp_path):
    _cut_out(tmp_path / "a.png")
    assert ImageReader(4).read(tmp_path / "a.png")[0, 0].tolist() == [200, 10, 10, 0]
    assert ImageReader(4).look(tmp_path / "a.png")[1] == ()


def test_a_transparent_palette_is_white_too(tmp_path):
    image = Image.new("P", (4, 4), 1)
    image.putpalette([9, 9, 9, 200, 0, 0])
    image.save(tmp_path / "a.png", transparency=1)
    assert ImageReader().read(tmp_path / "a.png")[0, 0].tolist() == [255, 255, 255]


def test_what_is_done_with_a_file_is_told_with_its_pixels(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (7, 5)).save(tmp_path / "turned.jpg", exif=exif)
    Image.new("RGB", (7, 5)).save(tmp_path / "plain.jpg")
    (told,) = ImageReader().look(tmp_path / "turned.jpg")[1]
    assert told == "turned upright (EXIF orientation 6)"
    assert ImageReader().look(tmp_path / "plain.jpg")[1] == ()
    _words(tmp_path / "deep.png")
    assert ImageReader().look(tmp_path / "deep.png")[1] == ("scaled to 8 bits from 0 to 65535",)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif"])
def test_what_is_done_with_a_file_is_told_before_it_is_read_too(tmp_path, suffix):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("L", (7, 5)).save(tmp_path / f"a{suffix}", exif=exif)
    told = ImageReader().treatment(tmp_path / f"a{suffix}")
    assert told == ImageReader().look(tmp_path / f"a{suffix}")[1]
    assert told == (
        "turned upright (EXIF orientation 6)",
        "grey, taken as three equal channels",
    )
    assert ImageReader().treatment(tmp_path / "none.jpg") == ()


def test_the_range_that_an_array_is_scaled_from_belongs_to_its_conversion(tmp_path):
    path = _words(tmp_path / "a.npy", np.zeros((2, 2), np.float32))
    assert ImageReader(1, (0, 1)).conversion(path) == "scaled to 8 bits from 0 to 1"
    assert ImageReader(1).conversion(path) == ""


def test_turning_is_no_conversion(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (7, 5)).save(tmp_path / "turned.jpg", exif=exif)
    assert ImageReader().conversion(tmp_path / "turned.jpg") == ""


def test_a_pointer_of_git_lfs_is_named(tmp_path):
    (tmp_path / "a.jpg").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    with pytest.raises(UserError, match=r"a\.jpg: Git LFS has not fetched .* git lfs pull"):
        ImageReader().read(tmp_path / "a.jpg")


def test_a_mask_of_sixteen_bits_keeps_its_values(tmp_path):
    values = np.array([[0, 1, 255]], np.uint16)
    Image.fromarray(values).save(tmp_path / "m.png")
    assert read_mask(tmp_path / "m.png").tolist() == values.tolist()
    Image.fromarray(values * 2).save(tmp_path / "m.png")
    with pytest.raises(UserError, match="from 0 to 255, this file has 510"):
        read_mask(tmp_path / "m.png")


def test_a_lossy_file_is_no_mask_whatever_its_name(tmp_path):
    Image.new("L", (8, 8), 1).save(tmp_path / "m.png", format="JPEG")
    with pytest.raises(UserError, match="in truth a JPEG"):
        read_mask(tmp_path / "m.png")


def test_the_colours_of_a_mask_are_those_of_the_values_that_occur(tmp_path):
    mask = Image.new("P", (4, 4), 2)
    mask.putpalette([0, 0, 0, 9, 9, 9, 1, 2, 3])
    mask.save(tmp_path / "m.png")
    assert mask_palette(tmp_path / "m.png", np.full((4, 4), 2)) == {2: (1, 2, 3)}
    Image.new("L", (4, 4), 2).save(tmp_path / "m.png")
    assert mask_palette(tmp_path / "m.png", np.full((4, 4), 2)) == {}


def test_the_content_of_pixels_depends_on_their_form_too():
    assert content_of(np.zeros((2, 3, 1), np.uint8)) != content_of(np.zeros((3, 2, 1), np.uint8))


@pytest.mark.parametrize("bands", [1, 2, 5])
def test_an_array_gives_its_bands(tmp_path, bands):
    pixels = np.random.default_rng(0).integers(0, 255, (5, 7, bands), np.uint8)
    np.save(tmp_path / "a.npy", pixels)
    assert np.array_equal(ImageReader(bands).read(tmp_path / "a.npy"), pixels)


def test_an_array_without_a_last_axis_is_one_band(tmp_path):
    np.save(tmp_path / "a.npy", np.ones((5, 7), np.uint8))
    assert ImageReader(1).read(tmp_path / "a.npy").shape == (5, 7, 1)


def test_a_tiff_gives_its_four_channels(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 255, (5, 7, 4), np.uint8)
    Image.fromarray(pixels, mode="CMYK").save(tmp_path / "a.tiff")
    assert np.array_equal(ImageReader(4).read(tmp_path / "a.tiff"), pixels)


def test_the_pages_of_a_tiff_are_its_bands(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 255, (5, 7, 6), np.uint8)
    pages = [Image.fromarray(pixels[..., band]) for band in range(6)]
    pages[0].save(tmp_path / "a.tiff", save_all=True, append_images=pages[1:])
    assert np.array_equal(ImageReader(6).read(tmp_path / "a.tiff"), pixels)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros((5, 7, 4), np.uint8), "says 5 channels, .* the file holds 5x7x4"),
        (np.zeros((2, 5, 7, 5), np.uint8), "the file holds 2x5x7x5"),
        (np.zeros((5, 7, 5), np.float32), "values of float32 have no range"),
        (np.array([{}]), "not a readable array"),
    ],
)
def test_another_array_is_refused(tmp_path, values, message):
    np.save(tmp_path / "a.npy", values)
    with pytest.raises(UserError, match=rf"a\.npy: .*{message}"):
        ImageReader(5).read(tmp_path / "a.npy")


def test_a_palette_is_no_channel(tmp_path):
    Image.new("P", (7, 5)).save(tmp_path / "a.png")
    with pytest.raises(UserError, match="a palette or single bits"):
        ImageReader(1).read(tmp_path / "a.png")


@pytest.mark.parametrize("channels", [1, 2, 3, 5])
def test_channels_are_resized_one_like_the_other(channels):
    pixels = np.random.default_rng(0).integers(0, 255, (9, 11, 1), np.uint8)
    resized = resize(np.repeat(pixels, channels, axis=-1), (4, 6), (1.0, 0.5, 10.0, 8.0))
    one = resize(pixels, (4, 6), (1.0, 0.5, 10.0, 8.0))
    assert resized.shape == (4, 6, channels)
    assert np.array_equal(resized, np.repeat(one, channels, axis=-1))


@pytest.mark.parametrize(
    ("mode", "channels", "clause"),
    [
        ("L", "rgb", "grey, taken as three equal channels"),
        ("CMYK", "rgb", "converted from CMYK"),
        ("RGB", "grey", "turned to grey"),
    ],
)
def test_other_colours_than_the_tasks_are_told(tmp_path, mode, channels, clause):
    path = tmp_path / "a.tif"
    Image.new(mode, (4, 4)).save(path)
    assert ImageReader(channels).look(path)[1] == (clause,)


@pytest.mark.parametrize(("mode", "channels"), [("RGB", "rgb"), ("L", "grey")])
def test_colours_of_the_task_are_not_worth_a_word(tmp_path, mode, channels):
    path = tmp_path / "a.png"
    Image.new(mode, (4, 4)).save(path)
    assert ImageReader(channels).look(path)[1] == ()
