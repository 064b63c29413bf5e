"""A trained network in the formats of other runtimes, each compared with PyTorch and measured."""

from __future__ import annotations

import math
import shutil
import tempfile
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import latency
from latency.errors import LatencyError, NoiseWarning
from latency.exporting.comparison import TOLERANCE, largest_difference
from latency.exporting.formats import create_format
from latency.exporting.formats.format import Format
from latency.exporting.formats.onnx_graph import Onnx
from latency.exporting.preprocessing import LAYOUTS, Preprocessed
from nas.deployment.onnx_export import DEFAULT_OPSET, about
from nas.deployment.trained_network import TrainedNetwork
from nas.errors import UserError
from nas.files import naming_full_disks, read_json, write_json
from nas.models.face_networks import on_its_own
from nas.mutual_learning.trained import PathNetwork
from nas.tasks import Task
from nas.training.images import Normaliser

RECORD = "exports.json"
ONNX = "onnx"
_IMAGES = 8
"""Images of the validation split that files are compared with PyTorch on."""


@dataclass(frozen=True)
class FormatOptions:
    """In what formats a network is written, and how.

    Attributes:
        names: Formats, each one of `latency.format_names()` or an import path.
        layout: Of uint8 images, ``nhwc`` or ``nchw``, where the preprocessing becomes a part of the
            graph; None leaves it out.
        tolerance: Largest difference to PyTorch's outputs as a share of the largest output.
        opset: Version of the ONNX operators.

    Raises:
        UserError: If a format is not known or named twice, or a value is wrong.
    """

    names: tuple[str, ...] = (ONNX,)
    layout: str | None = None
    tolerance: float = TOLERANCE
    opset: int = DEFAULT_OPSET

    def __post_init__(self) -> None:
        for number, name in enumerate(self.names):
            try:
                create_format(name)
            except LatencyError as error:
                raise UserError(str(error)) from error
            if name in self.names[:number]:
                raise UserError(f"format {name!r} is named twice; name each once.")
        if self.layout is not None and self.layout not in LAYOUTS:
            raise UserError(f"preprocessing {self.layout!r}: use {' or '.join(LAYOUTS)}.")
        if not (math.isfinite(self.tolerance) and self.tolerance > 0):
            raise UserError(f"tolerance {self.tolerance:g}: give a share above 0, such as 0.001.")

    def formats(self) -> dict[str, Format]:
        """Each format by its name."""
        return {
            name: Onnx(self.opset) if name == ONNX else create_format(name) for name in self.names
        }


@dataclass
class Exported:
    """What an export in several formats came to.

    Attributes:
        files: What is known of each file that was written, by its path.
        failures: A sentence for each format that could not be written, by its name.
        notes: Sentences on how files were compared.
        record: The file that tells of all exports in its folder.
    """

    record: Path
    files: dict[Path, dict[str, Any]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def path_of(place: Path, kind: Format, layout: str | None) -> Path:
    """Where a file goes, named by what is not as usual.

    Args:
        place: The file of the network's weights, or one of this name in another folder.
        kind: The format.
        layout: Of the images, where the preprocessing is a part of the graph.
    """
    suffix = "" if layout is None else f"-{layout}"
    return place.with_name(f"{place.stem}{suffix}{kind.suffix}")


def validation_images(trained: TrainedNetwork | PathNetwork, task: Task) -> Tensor:
    """The first images of the validation split, uint8, N x channels x H x W.

    Raises:
        UserError: If they cannot be read, or the network takes images of another size.
    """
    images = task.dataset("validation").images
    found = images[torch.arange(min(_IMAGES, len(images)))]
    expected = trained.description.input_shape[1:]
    if tuple(found.shape[1:]) != expected:
        raise UserError(
            f"task {task.name!r} has images of shape {tuple(found.shape[1:])}, and the network "
            f"takes {expected}."
        )
    return found


def export_formats(
    trained: TrainedNetwork | PathNetwork,
    paths: Mapping[str, Path],
    options: FormatOptions,
    images: Tensor | None,
    *,
    written: Mapping[str, Mapping[str, Any]] | None = None,
    beside_onnx: Mapping[Path, Mapping[str, Any]] | None = None,
    command: str | None = None,
    on_format: Callable[[str], None] = lambda title: None,
) -> Exported:
    """Writes a trained network in every format, compares each file with PyTorch, and measures it.

    A format that fails leaves the others, and an older file of its own, as they are.

    Args:
        trained: The network.
        paths: Where the file of each format goes; all in one folder.
        options: The formats.
        images: uint8, N x channels x H x W, to compare on; noise stands in for them.
        written: Facts of files that are written already, by format: these are compared and
            measured alone.
        beside_onnx: Facts of what came with the ONNX file, by its path, for the record.
        command: What made the files, for the record.
        on_format: Told the title of each format before it is written.

    Returns:
        What was written and what failed. ``exports.json`` in the folder tells of these files and of
        all others that earlier exports have left there.
    """
    network, channels = on_its_own(trained.network.cpu())
    taken = range(len(trained.description.mean)) if channels is None else channels
    planes = _planes(trained, images, list(taken))
    exporting = _Exporting(trained, network, list(taken), planes, options)
    first = next(iter(paths.values()))
    first.parent.mkdir(parents=True, exist_ok=True)
    found = Exported(first.with_name(RECORD))
    if images is None:
        found.notes.append(
            "the images of its training are not there, so files are compared with PyTorch on noise."
        )
    common = {
        "images": 0 if images is None else len(images),
        **({} if command is None else {"command": command}),
    }
    for name, kind in options.formats().items():
        on_format(kind.title)
        known = (written or {}).get(name)
        try:
            facts = exporting.export(kind, paths[name], known)
        except LatencyError as error:
            found.failures[name] = str(error)
            continue
        found.files[paths[name]] = {**facts, "format": name, **common}
        if name == ONNX:
            same = {key: facts[key] for key in ("input", "versions")}
            for path, other in (beside_onnx or {}).items():
                found.files[path] = {**same, **other, **common}
    _remember(trained, found)
    return found


def _remember(trained: TrainedNetwork | PathNetwork, found: Exported) -> None:
    """Adds to the record of the folder, and takes out what is no longer there."""
    folder = found.record.parent
    known = read_json(found.record)["files"] if found.record.is_file() else {}
    files = known | {path.name: facts for path, facts in found.files.items()}
    present = {name: facts for name, facts in files.items() if (folder / name).exists()}
    if present:
        write_json(found.record, {"network": str(trained.path), "files": present})


def _planes(
    trained: TrainedNetwork | PathNetwork, images: Tensor | None, channels: list[int]
) -> Tensor:
    """The images as the network on its own takes them, uint8; noise where there are none."""
    if images is not None:
        return images[:, channels].contiguous()
    generator = torch.Generator().manual_seed(0)
    shape = (_IMAGES, len(channels), *trained.description.input_size)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)


class _Exporting:
    """Writes one network in one format after the other."""

    def __init__(
        self,
        trained: TrainedNetwork | PathNetwork,
        network: nn.Module,
        channels: list[int],
        planes: Tensor,
        options: FormatOptions,
    ) -> None:
        described = trained.description
        mean, std = ([values[c] for c in channels] for values in (described.mean, described.std))
        self._options = options
        self._metadata = about(described, channels=channels)
        if options.layout is None:
            self._network = network
            self._images = Normaliser(mean, std)(planes, torch.device("cpu")).contiguous()
        else:
            wrapped = Preprocessed(network, mean, std, options.layout).eval()
            self._network, self._images = wrapped, wrapped.laid_out(planes)
            self._metadata |= {"normalisation": '"built in"', "layout": f'"{options.layout}"'}
        self._input = {
            "shape": [1, *self._images.shape[1:]],
            "dtype": str(self._images.dtype).removeprefix("torch."),
            "layout": options.layout or "nchw",
            "preprocessing": options.layout is not None,
            "mean": mean,
            "std": std,
            "channels": channels,
        }

    def export(self, kind: Format, path: Path, written: Mapping[str, Any] | None) -> dict[str, Any]:
        """Writes, compares and measures a file, which appears when all of that has gone well.

        Raises:
            LatencyError: If one of them fails.
        """
        if written is not None:
            return {**written, **self._facts(kind, path), **self._judged(kind, path)}
        with (
            naming_full_disks(path),
            tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as folder,
        ):
            made = Path(folder, path.name)
            kind.write(self._network, self._images[:1], made, self._metadata)
            judged = self._judged(kind, made)
            for file in kind.files(made):
                target = path.parent / file.name
                # A format that is a folder cannot be replaced in one step.
                if target.is_dir():
                    shutil.rmtree(target)
                file.replace(target)
        return {**self._facts(kind, path), **judged}

    def _judged(self, kind: Format, path: Path) -> dict[str, Any]:
        if kind.absent_runtime is not None:
            return {
                "largest_difference": None,
                "unchecked": f"{kind.absent_runtime}, so the file was not compared with PyTorch.",
                "latency": None,
            }
        run = kind.open(path).run
        batches = self._images.split(1)
        try:
            difference = largest_difference(self._network, run, batches, self._options.tolerance)
        except LatencyError as error:
            raise latency.ExportError(f"{kind.title}: {error}") from error
        return {
            "largest_difference": difference,
            "tolerance": self._options.tolerance,
            "latency": _latency(kind, path),
        }

    def _facts(self, kind: Format, path: Path) -> dict[str, Any]:
        files = kind.files(path)
        return {
            "title": kind.title,
            "files": [file.name for file in files],
            "size": sum(_size(file) for file in files),
            "input": self._input,
            "versions": kind.versions(),
        }


def _latency(kind: Format, path: Path) -> dict[str, Any] | None:
    if kind.engine is None:
        return None
    with warnings.catch_warnings():
        # What is noisy says so by itself.
        warnings.simplefilter("ignore", NoiseWarning)
        return latency.measure_exported(path, kind).to_dict()


def _size(path: Path) -> int:
    if path.is_dir():
        return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return path.stat().st_size
