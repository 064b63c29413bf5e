from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import TensorDataset

from nas import tasks
from nas.errors import UserError
from nas.report.contact_sheet import contact_sheet, write_sheet
from nas.report.pictures import class_colours, overlay


def _masks(classes: list[str]) -> tasks.Task:
    images = torch.zeros(20, 3, 32, 64, dtype=torch.uint8)
    values = torch.zeros(20, 32, 64, dtype=torch.uint8)
    values[:, :, 32:], values[:, 24:] = 1, 255
    return tasks.from_datasets("halves", classes, TensorDataset(images, values))


def _share(picture: Image.Image, colour: tuple[int, ...]) -> float:
    return float((np.asarray(picture) == colour).all(axis=-1).mean())


def test_pixels_are_tinted_by_their_class_beside_the_image() -> None:
    sheet = contact_sheet(_masks(["left", "right"]))
    assert sheet.width == 1600
    image = np.zeros((1, 3, 3), np.uint8)
    colours = np.concatenate([class_colours(3)[1:], [[255, 255, 255]]]).astype(np.uint8)
    left, right, ignored = overlay(image, np.array([[0, 1, 2]]), colours)[0].tolist()
    # Of each mask 3/8 are left, 3/8 right and 1/4 is ignored.
    shares = [_share(sheet, tuple(colour)) for colour in (left, right, ignored)]
    assert shares[0] == pytest.approx(shares[1], rel=0.05)
    assert shares[2] == pytest.approx(shares[0] * 2 / 3, rel=0.05)


@pytest.mark.parametrize(("first", "black"), [("background", True), ("left", False)])
def test_only_a_background_is_black_in_the_legend(first, black) -> None:
    legend = contact_sheet(_masks([first, "right"])).crop((24, 100, 41, 200))
    assert (_share(legend, (0, 0, 0)) > 0.05) == black


def test_each_class_of_images_has_a_row() -> None:
    shades = torch.tensor([50, 150, 250], dtype=torch.uint8).repeat(20)
    images = shades[:, None, None, None].expand(60, 3, 16, 16).contiguous()
    images[:, 0, 0, 0] = torch.arange(60, dtype=torch.uint8)
    data = TensorDataset(images, torch.arange(60) % 3)
    pixels = np.asarray(contact_sheet(tasks.from_datasets("shades", ["a", "b", "c"], data)))
    rows = [np.flatnonzero((pixels[:, 400] == shade).all(axis=-1)) for shade in (50, 150, 250)]
    assert all(len(row) > 60 for row in rows)
    assert rows[0].max() < rows[1].min() and rows[1].max() < rows[2].min()


def test_the_file_is_named_after_the_task(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = write_sheet(_masks(["left", "right"]))
    assert path.name == "halves-sheet.png"
    with Image.open(tmp_path / path) as picture:
        assert picture.width == 1600


def test_a_sheet_is_a_png_in_a_folder_that_exists(tmp_path) -> None:
    task = _masks(["left", "right"])
    with pytest.raises(UserError, match=r"sheet\.jpg: a contact sheet is a PNG"):
        write_sheet(task, tmp_path / "sheet.jpg")
    with pytest.raises(UserError, match="cannot be written"):
        write_sheet(task, tmp_path / "none" / "sheet.png")


def test_colours_of_up_to_twenty_classes_differ() -> None:
    colours = class_colours(20).astype(int)
    distances = np.abs(colours[:, None] - colours[None]).sum(-1) + 999 * np.eye(20, dtype=int)
    assert distances.min() >= 60
