"""What a trained network says of images that are in no data set."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn

from nas.deployment.selection import best_retrained
from nas.deployment.trained_network import TrainedNetwork, trained_network
from nas.errors import UserError
from nas.files import naming_full_disks, replacing
from nas.kinds.network_file import NetworkDescription
from nas.models.segmentation import resize as resize_logits
from nas.report.pictures import as_shown, class_colours, overlay
from nas.searching.run_folder import RunFolder
from nas.tasks.classification.file_source import fit
from nas.tasks.inputs import Channels
from nas.tasks.listing import image_files
from nas.tasks.reading import ImageReader, resize
from nas.tasks.segmentation.formats.mask import BACKGROUND
from nas.training.device import resolve_device
from nas.training.images import Normaliser

_CENTRE_CROP = 0.875
_KINDS = ("segmentation", "classification")
_WILD = frozenset("*?[")
MASKS, OVERLAYS, TABLE, LEGEND = "masks", "overlays", "predictions.csv", "classes.csv"


@dataclass(frozen=True)
class Prediction:
    """What a network says of one image.

    Attributes:
        image: The file.
        classes: Names of the network's classes.
        mask: Number of the class of each pixel at the size of the image as it is shown, H×W uint8;
            None for a classifier.
        probabilities: Of each class, float64; None for a segmentation network.
    """

    image: Path
    classes: tuple[str, ...]
    mask: np.ndarray | None = None
    probabilities: np.ndarray | None = None

    @property
    def label(self) -> str:
        """The most probable class of the image.

        Raises:
            UserError: If it has a class for each pixel.
        """
        if self.probabilities is None:
            raise UserError(f"{self.image}: it has a class for each pixel; see mask.")
        return self.classes[int(self.probabilities.argmax())]


class Predictor:
    """A trained network that takes image files of any size.

    Args:
        place: A network that ``nas retrain``, ``train`` or ``distill`` made, or a run of a search,
            whose best retrained network is taken.
        device: auto, cpu or cuda:N.
        centre_crop: Share of an image's short side that a classifier sees.

    Raises:
        UserError: If there is no such network, or it is one for anti-spoofing.
    """

    def __init__(
        self, place: Path, device: str = "auto", centre_crop: float = _CENTRE_CROP
    ) -> None:
        if not 0 < centre_crop <= 1:
            raise UserError(f"centre_crop {centre_crop:g}: it is a share above 0 and at most 1.")
        if (place / "run.json").is_file():
            place = best_retrained(RunFolder.open(place)) or place
        found = trained_network(place, None)
        _require_images(found)
        self.path = found.path
        self.description: NetworkDescription = found.description
        self._device = resolve_device(device)
        self._network: nn.Module = found.network.to(self._device)
        self._centre_crop = centre_crop
        self._reader = ImageReader(_channels(len(self.description.mean)))
        self._normalise = Normaliser(self.description.mean, self.description.std)

    @property
    def suffixes(self) -> frozenset[str]:
        """Of the files that it takes."""
        return self._reader.suffixes

    def treatment(self, path: Path) -> tuple[str, ...]:
        """What is done with a file besides decoding it, as clauses."""
        return self._reader.treatment(path)

    def shown(self, path: Path) -> np.ndarray:
        """An image as people see it, H×W×3 uint8.

        Raises:
            UserError: If it cannot be read.
        """
        pixels = self._reader.read(path)
        return as_shown(torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1))))

    def predict(self, path: Path) -> Prediction:
        """What the network says of an image.

        Raises:
            UserError: If the image cannot be read.
        """
        pixels = self._reader.read(path)
        classes = self.description.classes
        if self.description.kind == "classification":
            logits = self._logits(fit(pixels, self.description.input_size, self._centre_crop))
            probabilities = logits.double().softmax(dim=1)[0].cpu().numpy()
            return Prediction(path, classes, probabilities=probabilities)
        logits = self._logits(resize(pixels, self.description.input_size))
        whole = resize_logits(logits, pixels.shape[:2])
        return Prediction(path, classes, mask=whole.argmax(dim=1)[0].byte().cpu().numpy())

    def _logits(self, pixels: np.ndarray) -> torch.Tensor:
        image = torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))[None]
        with torch.inference_mode():
            logits: torch.Tensor = self._network(self._normalise(image, self._device)).float()
        return logits


def images_named(places: Iterable[str | Path], suffixes: frozenset[str]) -> list[Path]:
    """The image files that are meant by files, folders and patterns.

    Args:
        places: A folder stands for the images in it and in the folders within it.
        suffixes: Of images, in lower case.

    Raises:
        UserError: If there is nothing of a name, or a folder has no image.
    """
    found: dict[Path, None] = {}
    for place in places:
        path = Path(place).expanduser()
        if path.is_dir():
            files = list(image_files(path, suffixes, within=True).files)
        elif path.exists():
            files = [path]
        else:
            files = _matching(path, suffixes)
        if not files:
            raise UserError(f"{path}: there is no such image, or none in that folder.")
        found |= dict.fromkeys(files)
    return list(found)


def write_predictions(predictor: Predictor, images: Iterable[Path], folder: Path) -> Iterator[str]:
    """Writes what a network says of images, and yields a sentence for each that cannot be read.

    Of segmentation networks: ``masks`` (index PNG), ``overlays`` and ``classes.csv``, which tells
    the number and the colour of each class. Of classifiers: ``predictions.csv`` with the class and
    all probabilities of each image.

    Args:
        predictor: The network.
        images: Files.
        folder: Where to write; made if it is not there.

    Raises:
        UserError: If two images would be written to one file, or a file cannot be written.
    """
    images = list(images)
    _refuse_same_names(predictor, images)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if predictor.description.kind == "classification":
            yield from _write_table(predictor, images, folder)
        else:
            yield from _write_masks(predictor, images, folder)
    except OSError as error:
        with naming_full_disks(folder):
            raise UserError(f"{folder}: cannot be written ({error.strerror}).") from error


def _write_masks(predictor: Predictor, images: list[Path], folder: Path) -> Iterator[str]:
    classes = predictor.description.classes
    count = len(classes)
    # Black is the background's alone.
    colours = class_colours(count) if classes[0] == BACKGROUND else class_colours(count + 1)[1:]
    for part in (MASKS, OVERLAYS):
        (folder / part).mkdir(exist_ok=True)
    with replacing(folder / LEGEND) as path, path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["value", "class", "colour"])
        for value, (name, colour) in enumerate(zip(classes, colours.tolist(), strict=True)):
            rows.writerow([value, name, "#{:02x}{:02x}{:02x}".format(*colour)])
    for image in images:
        try:
            mask = predictor.predict(image).mask
            shown = predictor.shown(image)
        except UserError as error:
            yield str(error)
            continue
        assert mask is not None
        for part, pixels in ((MASKS, mask), (OVERLAYS, overlay(shown, mask, colours))):
            with replacing(folder / part / f"{image.stem}.png") as path:
                Image.fromarray(pixels).save(path, "PNG")


def _write_table(predictor: Predictor, images: list[Path], folder: Path) -> Iterator[str]:
    classes = predictor.description.classes
    with replacing(folder / TABLE) as path, path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["image", "class", "probability", *classes])
        for image in images:
            try:
                found = predictor.predict(image)
            except UserError as error:
                yield str(error)
                continue
            assert found.probabilities is not None
            shares = [f"{share:.4f}" for share in found.probabilities.tolist()]
            rows.writerow([image, found.label, f"{found.probabilities.max():.4f}", *shares])


def _refuse_same_names(predictor: Predictor, images: list[Path]) -> None:
    """Refuses images whose masks would have one name."""
    if predictor.description.kind == "classification":
        return
    names: dict[str, Path] = {}
    for image in images:
        first = names.setdefault(image.stem, image)
        if first != image:
            raise UserError(
                f"{first} and {image} have one name, and so would their masks; predict them into "
                "different folders."
            )


def _matching(pattern: Path, suffixes: frozenset[str]) -> list[Path]:
    """The images that a pattern names which no shell has expanded."""
    if not _WILD & set(str(pattern)):
        return []
    anchor = Path(pattern.anchor)
    found = anchor.glob(str(pattern.relative_to(anchor)))
    return sorted(path for path in found if path.is_file() and path.suffix.lower() in suffixes)


def _require_images(found: TrainedNetwork) -> None:
    if found.description.kind not in _KINDS:
        raise UserError(
            f"{found.path}: networks for {found.description.kind} take several pictures of one "
            "face; nas evaluate scores them."
        )


def _channels(count: int) -> Channels:
    known: dict[int, Channels] = {1: "grey", 3: "rgb"}
    return known.get(count, count)
