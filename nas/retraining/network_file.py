"""A trained network as one file that says how to build it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import nn

import search_spaces
from nas.models.classifier_file import (
    ClassifierDescription,
    describes_classifier,
    load_classifier,
    read_classifier_description,
)
from nas.models.encoder import NONE, Encoder, EncoderSettings
from nas.models.segmentation import SegmentationNetwork, without_auxiliary
from nas.models.weights import FILE, network_file, read_described, save_described
from nas.settings import Settings, validate
from nas.training.checkpoint import load_weights
from search_spaces.space import DecoderSpace

__all__ = [
    "FILE",
    "NetworkDescription",
    "describe",
    "load",
    "load_network",
    "read_description",
    "save_network",
]


class NetworkDescription(Settings):
    """How to build a network and how to feed it.

    Attributes:
        space: Name of the search space.
        space_options: Its options.
        genotype: Nested form of the genotype.
        encoder: The backbone.
        classes: Names of the classes, in the order of the logits.
        input_size: Height and width that it was trained at, in pixels.
        mean: Of the normalised channels, red first, for values from 0 to 1.
        std: Likewise.
    """

    space: str
    space_options: dict[str, Any]
    genotype: str
    encoder: EncoderSettings
    classes: tuple[str, ...]
    input_size: tuple[int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def build_space(self) -> DecoderSpace:
        """The search space."""
        space = search_spaces.create(self.space, **self.space_options)
        assert isinstance(space, DecoderSpace)  # it was one when the file was written
        return space

    def build(self) -> SegmentationNetwork:
        """The network with random weights, auxiliary heads included."""
        space = self.build_space()
        bare = self.encoder.model_copy(update={"weights": NONE})
        encoder = Encoder(bare, space.encoder_strides)
        decoder = space.build(
            space.parse(self.genotype),
            encoder_channels=encoder.channels,
            encoder_strides=encoder.strides,
            num_classes=len(self.classes),
        )
        return SegmentationNetwork(encoder, decoder)


def save_network(
    network: SegmentationNetwork, description: NetworkDescription, folder: Path
) -> Path:
    """Writes a deployed network and its description into one file."""
    path = folder / FILE
    save_described(network, description.model_dump_json(), path)
    return path


def load(path: str | Path) -> nn.Module:
    """Loads a network that ``nas retrain``, ``train`` or ``distill`` made.

    Args:
        path: The file, or the folder that holds it.

    Returns:
        The network in evaluation mode. Its input is normalised images N x 3 x H x W, its output
        logits: N x classes x H x W for segmentation, N x classes for classification. `describe`
        tells the classes and the normalisation.

    Raises:
        UserError: If there is no such file or it was not made by this toolkit.
    """
    if describes_classifier(network_file(path)):
        return load_classifier(path)
    return load_network(path)


def describe(path: str | Path) -> NetworkDescription | ClassifierDescription:
    """How the network in a file, or in the folder that holds it, is built and fed.

    Raises:
        UserError: If there is no such file or it was not made by this toolkit.
    """
    if describes_classifier(network_file(path)):
        return read_classifier_description(path)
    return read_description(path)


def load_network(path: str | Path) -> SegmentationNetwork:
    """Loads a segmentation network that ``nas retrain`` made.

    Args:
        path: The file, or the folder that holds it.

    Returns:
        The network in evaluation mode; its input is normalised images N x 3 x H x W, its output
        logits N x classes x H x W. `read_description` tells the classes and the normalisation.

    Raises:
        UserError: If there is no such file or it was not made by this toolkit.
    """
    path = network_file(path)
    network = read_description(path).build()
    without_auxiliary(network.decoder)
    load_weights(network, path)
    return network.eval()


def read_description(path: str | Path) -> NetworkDescription:
    """How the segmentation network in a file, or in the folder that holds it, is built.

    Raises:
        UserError: If there is no such file or it was not made by this toolkit.
    """
    path = network_file(path)
    return validate(NetworkDescription, read_described(path), str(path))
