"""A trained classification network as one file that says how to build it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from torch import nn

from nas.models.classifiers import ClassifierSettings, create_classifier, with_resolved_stem
from nas.models.encoder import NONE
from nas.models.searched_classifier import SearchedClassifierSettings
from nas.models.weights import (
    load_tensors,
    network_file,
    read_described,
    read_tensors,
    save_described,
)
from nas.settings import Settings, validate

_KIND = "classification"


class ClassifierDescription(Settings):
    """How to build a classification network and how to feed it.

    Attributes:
        kind: What tells the file from those of other networks.
        network: The network; its weights tell where training began.
        classes: Names of the classes, in the order of the logits.
        input_size: Height and width that it was trained at, in pixels.
        mean: Of the normalised channels, red first, for values from 0 to 1.
        std: Likewise.
    """

    kind: Literal["classification"] = "classification"
    network: ClassifierSettings | SearchedClassifierSettings
    classes: tuple[str, ...]
    input_size: tuple[int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def build(self) -> nn.Module:
        """The network with random weights."""
        if isinstance(self.network, SearchedClassifierSettings):
            return self.network.build(len(self.classes))
        bare = self.network.model_copy(update={"weights": NONE})
        return create_classifier(bare, len(self.classes), self.input_size)


def save_classifier(network: nn.Module, description: ClassifierDescription, path: Path) -> None:
    """Writes a classification network and its description into one file.

    The file says ``small`` or ``standard`` where the description leaves the stem to ``auto``:
    what auto gave may have depended on the weights that training began with.
    """
    if isinstance(description.network, ClassifierSettings):
        settings = with_resolved_stem(description.network, network)
        description = description.model_copy(update={"network": settings})
    save_described(network, description.model_dump_json(), path)


def load_classifier(path: str | Path) -> nn.Module:
    """Loads what `save_classifier` wrote.

    Args:
        path: The file, or the folder that holds it as ``model.safetensors``.

    Returns:
        The network in evaluation mode; its input is normalised images N x 3 x H x W, its output
        logits N x classes. `read_classifier_description` tells the classes and the normalisation.

    Raises:
        UserError: If there is no such file, or it does not hold a classification network of this
            toolkit.
    """
    path = network_file(path)
    network = read_classifier_description(path).build()
    load_tensors(network, read_tensors(path, "classifier"), f"classifier weights {path}")
    return network.eval()


def read_classifier_description(path: str | Path) -> ClassifierDescription:
    """How the classification network in a file, or in the folder that holds it, is built.

    Raises:
        UserError: If there is no such file, or it does not hold a classification network of this
            toolkit.
    """
    path = network_file(path)
    return validate(ClassifierDescription, read_described(path), str(path))


def describes_classifier(path: Path) -> bool:
    """Whether the network in a file is a classification network.

    Raises:
        UserError: If there is no such file or it was not made by this toolkit.
    """
    return read_described(path).get("kind") == _KIND
