"""Networks whose answer is plain to see: dark, middle or bright."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import nas as toolkit
from nas.errors import UserError
from nas.kinds import kind_of
from nas.kinds.network_file import NetworkDescription, save_network
from nas.models.classifiers import ClassifierSettings
from nas.models.face_settings import FaceNetworkSettings
from nas.models.segmenters import SegmenterSettings

CODE = """
import torch
from torch import nn

class Pixels(nn.Module):
    def __init__(self):
        super().__init__()
        self.centres = nn.Parameter(torch.tensor([0.0, 0.5, 1.0]))

    def forward(self, images):
        return -20 * (images.mean(1, keepdim=True) - self.centres.view(1, 3, 1, 1)).abs()

class Whole(Pixels):
    def forward(self, images):
        return super().forward(images).mean(dim=(2, 3))
"""
CLASSES = ("dark", "middle", "bright")


def _network(folder: Path, kind: str) -> Path:
    folder.mkdir()
    code = folder / "own.py"
    code.write_text(CODE)
    settings = {
        "segmentation": SegmenterSettings(name=f"{code}:Pixels"),
        "classification": ClassifierSettings(name=f"{code}:Whole"),
    }[kind]
    feed = {"input_size": (32, 32), "mean": (0.0,) * 3, "std": (1.0,) * 3}
    description = NetworkDescription(kind=kind, network=settings, classes=CLASSES, **feed)
    save_network(description.build(), description, folder / "model.safetensors")
    return folder


@pytest.fixture
def segmenter(tmp_path) -> Path:
    return _network(tmp_path / "segmenter", "segmentation")


@pytest.fixture
def classifier(tmp_path) -> Path:
    return _network(tmp_path / "classifier", "classification")


def _image(path: Path, *shades: int, size: tuple[int, int] = (40, 90)) -> Path:
    """Vertical stripes of the shades, of one width."""
    path.parent.mkdir(parents=True, exist_ok=True)
    row = np.repeat(np.array(shades, np.uint8), size[1] // len(shades))
    Image.fromarray(np.stack([np.tile(row, (size[0], 1))] * 3, axis=-1)).save(path)
    return path


def test_a_mask_has_the_size_of_its_image_and_its_classes(segmenter, tmp_path) -> None:
    path = _image(tmp_path / "in" / "a.png", 0, 128, 255)
    (found,) = toolkit.predict(segmenter, path)
    assert found.mask.shape == (40, 90) and found.classes == CLASSES
    for place, value in ((15, 0), (45, 1), (75, 2)):
        assert (found.mask[:, place - 8 : place + 8] == value).all()


def test_a_lying_image_is_turned_upright_before(segmenter, tmp_path) -> None:
    path = _image(tmp_path / "in" / "a.png", 0, 255)
    exif = Image.Exif()
    exif[0x0112] = 6
    with Image.open(path) as image:
        image.save(path, exif=exif)
    (found,) = toolkit.predict(segmenter, path)
    assert found.mask.shape == (90, 40)
    assert (found.mask[:40] == 0).all() and (found.mask[50:] == 2).all()


def test_masks_overlays_and_a_legend_are_written(nas, segmenter, tmp_path) -> None:
    for name, shade in (("a", 0), ("sub/b", 255)):
        _image(tmp_path / "in" / f"{name}.PNG", shade)
    (tmp_path / "in" / "notes.txt").write_text("")
    out = tmp_path / "out"
    outcome = nas("predict", segmenter, tmp_path / "in", "--out", out)
    assert outcome.code == 0, outcome.err
    assert "3 classes, 2 images." in outcome.out
    assert sorted(path.name for path in (out / "masks").iterdir()) == ["a.png", "b.png"]
    with (
        Image.open(out / "masks" / "b.png") as mask,
        Image.open(out / "overlays" / "b.png") as over,
    ):
        assert (mask.mode, mask.size, over.mode) == ("L", (90, 40), "RGB")
        assert np.unique(np.asarray(mask)).tolist() == [2]
        assert len(np.unique(np.asarray(over).reshape(-1, 3), axis=0)) == 1
    rows = list(csv.reader((out / "classes.csv").open()))
    assert rows[0] == ["value", "class", "colour"]
    assert [row[:2] for row in rows[1:]] == [["0", "dark"], ["1", "middle"], ["2", "bright"]]


def test_classes_are_written_with_all_probabilities(nas, classifier, tmp_path) -> None:
    for name, shade in (("a", 0), ("b", 250)):
        _image(tmp_path / "in" / f"{name}.png", shade)
    out = tmp_path / "out"
    # A pattern that no shell has expanded.
    outcome = nas("predict", classifier, tmp_path / "in" / "*.png", "--out", out)
    assert outcome.code == 0, outcome.err
    rows = list(csv.DictReader((out / "predictions.csv").open()))
    assert [(Path(row["image"]).name, row["class"]) for row in rows] == [
        ("a.png", "dark"),
        ("b.png", "bright"),
    ]
    for row in rows:
        shares = [float(row[name]) for name in CLASSES]
        assert sum(shares) == pytest.approx(1, abs=2e-4)
        assert float(row["probability"]) == max(shares)


def test_a_classifier_sees_the_centre(classifier, tmp_path) -> None:
    path = _image(tmp_path / "in" / "a.png", 0, 255, 0)
    (centre,) = toolkit.predict(classifier, path, centre_crop=0.7)
    assert centre.label == "bright"
    assert centre.probabilities.sum() == pytest.approx(1)
    with pytest.raises(UserError, match="a share above 0"):
        toolkit.predict(classifier, path, centre_crop=1.5)


def test_an_unreadable_image_is_named_and_the_others_are_done(nas, classifier, tmp_path) -> None:
    _image(tmp_path / "in" / "a.png", 0)
    (tmp_path / "in" / "b.png").write_bytes(b"no image")
    outcome = nas("predict", classifier, tmp_path / "in", "--out", tmp_path / "out")
    assert outcome.code == 2
    assert f"{tmp_path}/in/b.png: not a readable image" in outcome.out
    assert "1 of 2 images could not be read; the rest is done" in outcome.err
    assert len((tmp_path / "out" / "predictions.csv").read_text().splitlines()) == 2


def test_two_images_of_one_name_are_refused_for_masks(nas, segmenter, tmp_path) -> None:
    for name in ("a/1.png", "b/1.png"):
        _image(tmp_path / "in" / name, 0)
    outcome = nas("predict", segmenter, tmp_path / "in", "--out", tmp_path / "out")
    assert outcome.code == 2 and "have one name" in outcome.err
    assert not (tmp_path / "out").exists()


def test_nothing_of_a_name_is_told(nas, classifier, tmp_path) -> None:
    outcome = nas("predict", classifier, tmp_path / "none.png", "--out", tmp_path / "out")
    assert outcome.code == 2 and "there is no such image" in outcome.err


def test_a_network_for_anti_spoofing_is_refused(tmp_path) -> None:
    task = toolkit.tasks.load("spoofing", size=16, train=2, validation=1, test=1, captures=6)

    settings = kind_of(task).as_trained(FaceNetworkSettings(name="convnet_small"), task)
    network = kind_of(task).create(settings, task)
    path = tmp_path / "model.safetensors"
    save_network(network, NetworkDescription.of(settings, task), path)
    with pytest.raises(UserError, match="networks for antispoofing take several pictures"):
        toolkit.predict(path, tmp_path)


def test_grey_images_are_told(nas, classifier, tmp_path) -> None:
    (tmp_path / "in").mkdir()
    Image.new("L", (50, 50), 128).save(tmp_path / "in" / "a.png")
    outcome = nas("predict", classifier, tmp_path / "in", "--out", tmp_path / "out")
    assert "a.png: grey, taken as three equal channels." in outcome.out
