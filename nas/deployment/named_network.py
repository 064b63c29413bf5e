"""Networks by what a user calls them: a trial of a run, a file of ours, an ONNX file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torch import nn

import search_spaces
from latency.onnx_files.file import OnnxFile
from nas.deployment.selection import Selection, select
from nas.errors import UserError
from nas.kinds.candidates import Candidates
from nas.kinds.network_file import NetworkDescription, describe, load
from nas.kinds.registry import kind_named
from nas.models.face_networks import on_its_own
from nas.searching.assembly import make_space
from nas.searching.config import ImageSearchConfig, SearchConfig
from nas.searching.images import candidates_of, candidates_of_run, load_task
from nas.searching.reading import load_config
from nas.searching.run_folder import RunFolder

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
        path: A run folder, a file or a folder with a network of ours, a training over several
            seeds, or an ONNX file.
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
        one = file.one_image
        shape = file.input_shape((1, one[1] if one else 3, *size) if size else one)
        return NamedNetwork(path.name, path, shape)
    # Trainings over seeds have a config.yaml too.
    searched = (path / "config.yaml").is_file() and not any(path.glob("seed-*"))
    if (path / "run.json").is_file() or searched:
        return _candidate(RunFolder.open(path), selection, size)
    _refuse(selection, path, "one network")
    description = describe(path)
    network, channels = on_its_own(load(path))
    count = len(description.mean) if channels is None else len(channels)
    shape = (1, count, *(size or description.input_size))
    return NamedNetwork(str(path), network, shape, _family(description, shape))


def candidates_in(config: SearchConfig, size: tuple[int, int] | None = None) -> Candidates:
    """The candidates of a search, with random weights.

    Args:
        config: Of the search.
        size: Height and width of the image; the task's unless given.

    Raises:
        UserError: If the search has no networks, or its task or space cannot be made.
    """
    if not isinstance(config, ImageSearchConfig):
        raise UserError("a search in a table builds no networks, so they have no latency.")
    return candidates_of(config, make_space(config), load_task(config), size=size)


def candidates_named(name: str, size: tuple[int, int] | None = None) -> Candidates:
    """The candidates of a space, of a run folder or of a YAML file with a search's settings.

    Raises:
        UserError: If it is none of them.
    """
    path = Path(name)
    if path.is_dir():
        return candidates_of_run(RunFolder.open(path), size)
    if path.suffix in _YAML:
        return candidates_in(load_config(path, {}), size)
    try:
        search_spaces.kind(name)
    except search_spaces.SpaceError as error:
        raise UserError(f"--space {name}: no such run folder or YAML file, and {error}") from error
    return candidates_in(load_config(None, {"space.name": name}), size)


def _candidate(run: RunFolder, selection: Selection, size: tuple[int, int] | None) -> NamedNetwork:
    if selection == Selection():
        raise UserError(
            f"{run.path}: say which candidate: --best, --trial N or --genotype '[[...]]'."
        )
    (choice,) = select(run, selection)
    candidates = candidates_of_run(run, size)
    return NamedNetwork(
        name=f"{choice.name} of {run.path}",
        source=candidates.network(choice.genotype),
        input_shape=candidates.input_shape,
        family=candidates.family,
    )


def _family(description: NetworkDescription, shape: tuple[int, int, int, int]) -> str | None:
    """The family of the candidates that a network was one of, None if no search found it."""
    kind = kind_named(description.kind)
    if not isinstance(description.network, kind.searched_settings):
        return None
    number = len(description.classes)
    return kind.candidates_like(description.network, number, shape).family


def _refuse(selection: Selection, path: Path, what: str) -> None:
    if selection != Selection():
        raise UserError(f"{path}: this is {what}; --trial, --best and --genotype belong to a run.")
