"""What trained networks say of new images."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nas.api.results import Retrained, TrainedRun
    from nas.deployment.prediction import Prediction


def predict(
    network: str | Path | Retrained | TrainedRun,
    images: str | Path | Iterable[str | Path],
    *,
    device: str = "auto",
    centre_crop: float = 0.875,
) -> Iterator[Prediction]:
    """What a trained network says of images of any size, one after the other.

    Args:
        network: What `retrain`, `train` or `distill` gave or made; or the folder of a search, whose
            best retrained network is taken.
        images: A file, a folder, a pattern such as ``photos/*.jpg``, or several of them.
        device: auto, cpu or cuda:N.
        centre_crop: Share of an image's short side that a classifier sees, as in its task.

    Yields:
        For each image its `mask` at the size of the image, H×W uint8, or its `label` and
        `probabilities`.

    Raises:
        UserError: If the network or an image cannot be read.

    Example:
        >>> from PIL import Image
        >>> Image.new("L", (40, 30)).save(folder / "new.png")
        >>> (found,) = nas.predict(folder / "teacher", folder / "new.png")
        >>> found.label in found.classes, round(float(found.probabilities.sum()), 6)
        (True, 1.0)
    """
    from nas.deployment.prediction import Predictor, images_named

    place = network if isinstance(network, (str, Path)) else network.path
    predictor = Predictor(Path(place).expanduser(), device, centre_crop)
    places = [images] if isinstance(images, (str, Path)) else images
    files = images_named(places, predictor.suffixes)
    return (predictor.predict(path) for path in files)
