"""A trained network as one file that says how to build it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

import search_spaces
from nas.errors import UserError
from nas.models.encoder import NONE, Encoder, EncoderSettings
from nas.models.segmentation import SegmentationNetwork, without_auxiliary
from nas.settings import Settings, validate
from nas.training.checkpoint import load_weights, save_weights
from search_spaces.space import SearchSpace

FILE = "model.safetensors"
_KEY = "nas"


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

    def build_space(self) -> SearchSpace:
        """The search space."""
        return search_spaces.create(self.space, **self.space_options)

    def build(self) -> SegmentationNetwork:
        """The network with random weights, auxiliary heads included."""
        space = self.build_space()
        bare = self.encoder.model_copy(update={"weights": NONE})
        encoder = Encoder(bare)
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
    save_weights(network, path, {_KEY: description.model_dump_json()})
    return path


def load_network(path: str | Path) -> SegmentationNetwork:
    """Loads a network that ``nas retrain`` made.

    Args:
        path: The file, or the folder that holds it.

    Returns:
        The network in evaluation mode; its input is normalised images N x 3 x H x W, its output
        logits N x classes x H x W. `read_description` tells the classes and the normalisation.

    Raises:
        UserError: If there is no such file or it was not made by this toolkit.
    """
    path = _file(Path(path))
    network = read_description(path).build()
    without_auxiliary(network.decoder)
    load_weights(network, path)
    return network.eval()


def read_description(path: str | Path) -> NetworkDescription:
    """How the network in a file, or in the folder that holds it, is built.

    Raises:
        UserError: If there is no such file or it was not made by this toolkit.
    """
    path = _file(Path(path))
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
    except (OSError, SafetensorError) as error:
        raise UserError(f"{path}: not a readable safetensors file.") from error
    if _KEY not in metadata:
        raise UserError(f"{path}: it has no description of a network; was it made by nas retrain?")
    return validate(NetworkDescription, json.loads(metadata[_KEY]), str(path))


def _file(path: Path) -> Path:
    return path / FILE if path.is_dir() else path
