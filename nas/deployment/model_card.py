"""A page in Markdown about a network, beside the files that it was exported to."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import latency
from latency.units import BYTES
from nas.deployment.formats import RECORD
from nas.deployment.trained_network import TrainedNetwork
from nas.files import read_json, write_text
from nas.kinds.network_file import METRICS
from nas.models.face_networks import on_its_own
from nas.mutual_learning.trained import PathNetwork
from nas.tasks import Task

CARD = "model-card.md"
_SPLITS = ("validation", "test")
_NOT_BY_CLASS = ("macro", "groups", "own_size", "scores")
"""What a record of scores holds besides figures and metrics by class."""


def write_card(
    trained: TrainedNetwork | PathNetwork, folder: Path, task: Task | None = None
) -> Path:
    """Writes ``model-card.md`` about a network and all that it was exported to.

    Args:
        trained: The network; what was measured when it was trained is read from beside its weights.
        folder: Of the exported files, which `nas.deployment.formats.export_formats` wrote.
        task: The data that it was trained on, if they are there.

    Returns:
        The file.
    """
    metrics = _metrics(trained.path)
    exports = read_json(folder / RECORD)["files"]
    sections = [
        [f"# {_title(trained)}"],
        list(_facts(trained, task, exports)),
        list(_scores(metrics, trained.description.classes)),
        list(_input(exports)),
        list(_files(exports)),
    ]
    path = folder / CARD
    write_text(path, "\n\n".join("\n".join(lines) for lines in sections if lines) + "\n")
    return path


def _metrics(weights: Path) -> dict[str, Any]:
    path = weights.with_name(METRICS)
    found = read_json(path) if path.is_file() else {}
    return found if isinstance(found, dict) else {}


def _title(trained: TrainedNetwork | PathNetwork) -> str:
    folder = trained.path.resolve().parent
    # `retrain/trial-3` and `seed-0` alone would say little.
    names = [part for part in folder.parts[-3:] if part not in ("retrain", "/")]
    return _text(" ".join(names))


def _facts(
    trained: TrainedNetwork | PathNetwork, task: Task | None, exports: Mapping[str, Any]
) -> Iterator[str]:
    described = trained.description
    network, channels = on_its_own(trained.network)
    taken = len(described.mean) if channels is None else len(channels)
    counts = latency.count(network, (1, taken, *described.input_size))
    yield from _head("", "")
    yield _row("weights", trained.path.name)
    for key, value in _construction(trained).items():
        yield _row(key, value)
    yield _row("parameters", f"{counts.parameters:,}")
    yield _row("multiply-accumulates of one image", f"{counts.macs:,}")
    if task is not None:
        sizes = ", ".join(f"{len(task.dataset(split)):,} {split}" for split in ("train", *_SPLITS))
        yield _row("data", f"{task.name} ({task.kind}): {sizes} images")
    yield _row("classes", ", ".join(described.classes))
    for name, facts in exports.items():
        if facts["latency"] is not None:
            measured = facts["latency"]
            device, noise = measured["device"], ", on a busy machine" if measured["noisy"] else ""
            yield _row(
                f"latency of {name}",
                f"{measured['median_ms']:.2f} ms ({measured['low_ms']:.2f} to "
                f"{measured['high_ms']:.2f}) on {device['model']}, threads: {device['threads']}, "
                f"{measured['provider']}{noise}",
            )


def _construction(trained: TrainedNetwork | PathNetwork) -> dict[str, str]:
    """How the network is built, as far as names tell it."""
    if isinstance(trained, PathNetwork):
        return {"network": "a path across networks of nas mutual"}
    settings = trained.description.network.model_dump(mode="json")
    found: dict[str, str] = {"task": trained.description.kind}
    for key, label in (("name", "network"), ("space", "search space"), ("genotype", "genotype")):
        value = settings.get(key)
        if value:
            found[label] = value if isinstance(value, str) else json.dumps(value)
    encoder = settings.get("encoder")
    if isinstance(encoder, dict) and encoder.get("name"):
        found["encoder"] = str(encoder["name"])
    return found


def _scores(metrics: Mapping[str, Any], classes: Sequence[str]) -> Iterator[str]:
    splits = {split: metrics[split] for split in _SPLITS if isinstance(metrics.get(split), dict)}
    columns = {
        (split, metric): values
        for split, record in splits.items()
        for metric, values in _by_class(record).items()
    }
    if not columns:
        return
    yield "## Scores"
    yield ""
    yield from _head("class", *(f"{metric}, {split}" for split, metric in columns))
    for name in classes:
        yield _row(name, *(_number(values.get(name)) for values in columns.values()))
    yield _row(
        "mean over the classes",
        *(_number(_mean(splits[split], metric)) for split, metric in columns),
    )


def _by_class(record: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The metrics by class in a record of ``nas retrain`` or of ``nas train``."""
    found = record.get("scores", record)
    return {
        metric: values
        for metric, values in found.items()
        if isinstance(values, dict) and metric not in _NOT_BY_CLASS
    }


def _mean(record: Mapping[str, Any], metric: str) -> float | None:
    known = [value for value in _by_class(record)[metric].values() if value is not None]
    return sum(known) / len(known) if known else None


def _input(exports: Mapping[str, Any]) -> Iterator[str]:
    yield "## Input and output"
    yield ""
    yield from _head("file", "input", "what is done before")
    for name, facts in exports.items():
        given = facts["input"]
        shape = "x".join(map(str, given["shape"]))
        before = (
            "resize to this size; the rest is built in"
            if given["preprocessing"]
            else "resize to this size, then (value / 255 - mean) / deviation with mean "
            f"{_list(given['mean'])} and deviation {_list(given['std'])}"
        )
        yield _row(
            name,
            f"{given['dtype']}, {given['layout'].upper()}, {shape}: {_channels(given['channels'])}",
            before,
        )
    yield ""
    yield "The output is the logits of the classes, in the order above."


def _channels(taken: Sequence[int]) -> str:
    known = {(0,): "grey", (0, 1, 2): "red, green, blue"}
    return known.get(tuple(taken), f"channels {', '.join(map(str, taken))} of the task's images")


def _files(exports: Mapping[str, Any]) -> Iterator[str]:
    yield "## Files"
    yield ""
    yield from _head("file", "format", "size", "largest difference to PyTorch", "made with")
    for name, facts in exports.items():
        difference = facts["largest_difference"]
        versions = ", ".join(f"{package} {number}" for package, number in facts["versions"].items())
        number = facts["images"]
        on = f"{number} images of validation" if number else "noise"
        yield _row(
            name,
            facts["title"],
            BYTES.write(facts["size"]),
            facts["unchecked"] if difference is None else f"{difference:.1e} on {on}",
            versions,
        )
    commands = dict.fromkeys(facts["command"] for facts in exports.values() if "command" in facts)
    if commands:
        yield ""
        yield "```sh"
        yield from commands
        yield "```"


def _head(*columns: str) -> Iterator[str]:
    yield _row(*columns)
    yield "|" + " --- |" * len(columns)


def _row(*cells: str) -> str:
    return "| " + " | ".join(_text(cell) for cell in cells) + " |"


def _text(cell: str) -> str:
    """A cell of a table: names of classes and files may hold what Markdown and HTML mean."""
    text = " ".join(str(cell).split())
    for special in "\\|*_`[]":
        text = text.replace(special, "\\" + special)
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"


def _list(values: Sequence[float]) -> str:
    return "(" + ", ".join(f"{value:.4g}" for value in values) + ")"
