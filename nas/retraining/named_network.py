"""Networks by what a user calls them: a trial of a run, a file of ours, an ONNX file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torch import nn

import search_spaces
from latency.onnx_files.file import OnnxFile
from nas.errors import UserError
from nas.evaluation.latency.candidates import (
    Candidates,
    ClassifierCandidates,
    SegmentationCandidates,
    untrained_encoder,
)
from nas.models.classifier_file import ClassifierDescription
from nas.models.searched_classifier import SearchedClassifierSettings
from nas.retraining.network_file import NetworkDescription, describe, load
from nas.retraining.selection import Selection, select
from nas.search.classification import ClassificationAssembly, load_images
from nas.search.config import SearchConfig
from nas.search.kinds import ClassificationSearchConfig, SegmentationSearchConfig, load_config
from nas.search.run_folder import RunFolder
from nas.search.segmentation import SegmentationAssembly, load_task
from search_spaces.space import ClassifierSpace

ONNX = ".onnx"
_YAML = (".yaml", ".yml")


@dataclass(frozen=True)
class NamedNetwork:
    """A network that a user has named.

    Attributes:
        name: What it is called.
        source: The network in evaluation mode, or its ONNX file.
        input_shape: N x channels x height x width of one image.
        family: Of the networks that a predictor of latencies is calibrated on with it, if it
            belongs to a search space.
    """

    name: str
    source: nn.Module | Path
    input_shape: tuple[int, int, int, int]
    family: str | None = None


def named_network(
    path: Path, selection: Selection, size: tuple[int, int] | None = None
) -> NamedNetwork:
    """The network that a user means.

    Args:
        path: A run folder, a file or a folder with a network of ours, or an ONNX file.
        selection: Which candidate of a run, but not several; its weights are random, which changes
            no latency.
        size: Height and width of the image, where they are not to be those of training.

    Raises:
        UserError: If there is no such network, or the candidate of a run is not named.
        LatencyError: If an ONNX file is none, or leaves a size open that is not given.
    """
    if not path.exists():
        raise UserError(f"{path}: no such run folder, network or ONNX file.")
    if path.suffix == ONNX:
        _refuse(selection, path, "an ONNX file")
        file = OnnxFile.read(path)
        shape = file.input_shape((1, 3, *size) if size else file.one_image)
        return NamedNetwork(path.name, path, shape)
    if (path / "run.json").is_file() or (path / "config.yaml").is_file():
        return _candidate(RunFolder.open(path), selection, size)
    _refuse(selection, path, "one network")
    description = describe(path)
    chosen = size or description.input_size
    candidates = _described(description, chosen)
    return NamedNetwork(
        str(path), load(path), (1, 3, *chosen), candidates.family if candidates else None
    )


def candidates_of(config: SearchConfig, size: tuple[int, int] | None = None) -> Candidates:
    """The candidates of a search, with random weights.

    Args:
        config: Of the search.
        size: Height and width of the image; the task's unless given.

    Raises:
        UserError: If the search has no networks, or its task or space cannot be made.
    """
    if isinstance(config, SegmentationSearchConfig):
        task, space = load_task(config), SegmentationAssembly().space(config)
        encoder = untrained_encoder(config.evaluation.encoder, space)
        return SegmentationCandidates(space, encoder, len(task.classes), size or task.input_size)
    if isinstance(config, ClassificationSearchConfig):
        images, cells = load_images(config), ClassificationAssembly().space(config)
        return ClassifierCandidates(cells, images.num_classes, size or images.input_size)
    raise UserError("a search in a table builds no networks, so they have no latency.")


def candidates_named(name: str, size: tuple[int, int] | None = None) -> Candidates:
    """The candidates of a space, of a run folder or of a YAML file with a search's settings.

    Raises:
        UserError: If it is none of them.
    """
    path = Path(name)
    if path.is_dir():
        return candidates_of(RunFolder.open(path).config(), size)
    if path.suffix in _YAML:
        return candidates_of(load_config(path, {}), size)
    if name not in search_spaces.names():
        raise UserError(
            f"--space {name}: no such run folder, YAML file or space; spaces are: "
            f"{', '.join(search_spaces.names())}."
        )
    return candidates_of(load_config(None, {"space.name": name}), size)


def _candidate(run: RunFolder, selection: Selection, size: tuple[int, int] | None) -> NamedNetwork:
    if selection == Selection():
        raise UserError(
            f"{run.path}: say which candidate: --best, --trial N or --genotype '[[...]]'."
        )
    (choice,) = select(run, selection)
    candidates = candidates_of(run.config(), size)
    return NamedNetwork(
        name=f"{choice.name} of {run.path}",
        source=candidates.network(choice.genotype),
        input_shape=candidates.input_shape,
        family=candidates.family,
    )


def _described(
    description: NetworkDescription | ClassifierDescription, size: tuple[int, int]
) -> Candidates | None:
    """The candidates that a network was one of, None for a network that no search found."""
    number = len(description.classes)
    if isinstance(description, NetworkDescription):
        space = description.build_space()
        encoder = untrained_encoder(description.encoder, space)
        return SegmentationCandidates(space, encoder, number, size)
    network = description.network
    if not isinstance(network, SearchedClassifierSettings):
        return None
    found = search_spaces.create(network.space, **network.space_options)
    assert isinstance(found, ClassifierSpace)  # it was one when the file was written
    return ClassifierCandidates(found, number, size)


def _refuse(selection: Selection, path: Path, what: str) -> None:
    if selection != Selection():
        raise UserError(f"{path}: this is {what}; --trial, --best and --genotype belong to a run.")
