"""A trained network in several formats with its card: what ``nas export`` and `nas.export` do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from latency.devices.identity import INT8
from latency.exporting.formats.format import Format
from nas.deployment.formats import ONNX, Exported, FormatOptions, export_formats, path_of
from nas.deployment.formats import validation_images as images_of
from nas.deployment.model_card import write_card
from nas.deployment.trained_network import NamedTask, TrainedNetwork, task_of_training
from nas.errors import UserError
from nas.mutual_learning.trained import PathNetwork
from nas.tasks import Task


@dataclass(frozen=True)
class WrittenOnnx:
    """An ONNX file that `nas.deployment.export.export` has written.

    Attributes:
        path: The file.
        record: Its record.
    """

    path: Path
    record: Mapping[str, Any]


@dataclass(frozen=True)
class Delivery:
    """What was exported.

    Attributes:
        exported: The files, and the formats that failed.
        card: The page about the network; None where no file could be written.
    """

    exported: Exported
    card: Path | None


def targets(place: Path, options: FormatOptions, out: Path | None = None) -> dict[str, Path]:
    """Where the file of each format goes.

    Args:
        place: The file of the network's weights, whose name and folder serve unless told otherwise.
        options: The formats.
        out: The file, or for several formats their folder.

    Raises:
        UserError: If the name does not fit, or two formats would share a file.
    """
    kinds = options.formats()
    if out is not None and len(kinds) == 1:
        return {name: _named(out, kind) for name, kind in kinds.items()}
    if out is not None:
        if out.is_file() or out.suffix in {kind.suffix for kind in kinds.values()}:
            raise UserError(f"{out}: several formats go into a folder; name one.")
        place = out / place.name
    found = {name: path_of(place, kind, options.layout) for name, kind in kinds.items()}
    for name, path in found.items():
        others = [other for other in found if found[other] == path and other != name]
        if others:
            raise UserError(
                f"formats {name!r} and {others[0]!r} both write {path.name}; export them one by "
                "one with --out."
            )
    return found


def task_if_known(trained: TrainedNetwork) -> Task | None:
    """The task of a network's training, or None where no file tells it or it cannot be loaded."""
    try:
        return task_of_training(trained.path, NamedTask())
    except UserError:
        return None


def deliver(
    trained: TrainedNetwork | PathNetwork,
    paths: Mapping[str, Path],
    options: FormatOptions,
    task: Task | None,
    *,
    onnx: WrittenOnnx | None = None,
    command: str | None = None,
    on_format: Callable[[str], None] = lambda title: None,
) -> Delivery:
    """Writes, compares and measures the files of a network, and its card beside them.

    Args:
        trained: The network.
        paths: Where each format goes; see `targets`.
        options: The formats.
        task: Its data, whose validation images the files are compared on, if they are there.
        onnx: The ONNX file where it is written already.
        command: What made the files, for the record.
        on_format: Told the title of each format before it is written.
    """
    images, note = None, None
    if task is not None:
        try:
            images = images_of(trained, task)
        except UserError as error:
            task, note = None, str(error)
    written = {} if onnx is None else {ONNX: _float32_of(onnx)}
    exported = export_formats(
        trained,
        dict(paths) if onnx is None else {**paths, ONNX: onnx.path},
        options,
        images,
        written=written,
        beside_onnx={} if onnx is None else _int8_of(onnx),
        command=command,
        on_format=on_format,
    )
    if note is not None:
        exported.notes.insert(0, note)
    card = write_card(trained, exported.record.parent, task) if exported.files else None
    return Delivery(exported, card)


def _named(out: Path, kind: Format) -> Path:
    if out.suffix != kind.suffix:
        raise UserError(f"--out {out}: the name has to end in {kind.suffix}.")
    return out


def _float32_of(onnx: WrittenOnnx) -> dict[str, Any]:
    return {key: onnx.record["onnx"][key] for key in ("opset", "dynamic_batch")}


def _int8_of(onnx: WrittenOnnx) -> dict[Path, dict[str, Any]]:
    """What is known of the int8 version, by its file."""
    found = onnx.record.get(INT8)
    if found is None:
        return {}
    return {
        onnx.path.with_name(found["file"]): {
            "title": "ONNX in int8",
            "format": INT8,
            "files": [found["file"]],
            "size": found[INT8]["size"],
            "latency": found[INT8]["latency"],
            "largest_difference": None,
            "unchecked": f"{found['file']} is judged by its scores, which stand in "
            f"{onnx.path.with_suffix('.json').name}.",
        }
    }
