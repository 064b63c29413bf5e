"""What lies among images and cannot be read as one: pipes, folders, far too large images."""

from __future__ import annotations

import os
import struct
import zlib

import pytest

from nas.errors import UserError
from nas.tasks.mask_files import read_mask
from nas.tasks.reading import ImageReader


def png_of(width, height, path):
    """The beginning of a PNG, which tells its size."""

    def chunk(name, data):
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", b"") + chunk(b"IEND", b""))
    return path


@pytest.mark.parametrize("read", [ImageReader().read, read_mask])
@pytest.mark.parametrize("size", [(13000, 13000), (20000, 20000), (90000000, 1)])
def test_an_image_beyond_all_measure_is_refused_before_it_is_read(tmp_path, recwarn, read, size):
    with pytest.raises(UserError, match="too large to be read, with more than 89 megapixels"):
        read(png_of(*size, tmp_path / "a.png"))
    assert not list(recwarn)


@pytest.mark.parametrize("read", [ImageReader().read, read_mask])
def test_a_pipe_is_refused_and_not_waited_for(tmp_path, read):
    os.mkfifo(tmp_path / "a.png")
    with pytest.raises(UserError, match="this is not a file; remove it"):
        read(tmp_path / "a.png")


def test_a_folder_with_the_name_of_an_image_is_refused(tmp_path):
    (tmp_path / "a.png").mkdir()
    with pytest.raises(UserError, match="this is not a file"):
        ImageReader().read(tmp_path / "a.png")
