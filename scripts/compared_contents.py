"""What a folder holds, as flat keys and values, without what differs from one run to the next."""

from __future__ import annotations

import csv
import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import optuna
import yaml
from safetensors import safe_open

Contents = dict[str, str]
"""Values, as JSON, by path."""

_MEASURED = {
    "study.db": ("seconds", "origin", "latency"),
    "metrics.json": ("seconds", "latency", "notes"),
    "played.json": ("milliseconds",),
}
"""Keys of what depends on the machine and the moment, by file."""
_SKIPPED = (".lock", ".so", ".npz", ".png", ".txt", ".code", ".pt", ".log", ".lst")


def contents(folder: Path) -> Contents:
    """Everything in a folder of runs that the same version gives again.

    Args:
        folder: With runs, and the user's cache folder, whose names tell what they depend on.
    """
    found: Contents = {}
    for path in sorted(folder.rglob("*")):
        if path.is_dir() or path.suffix in _SKIPPED:
            continue
        name = str(path.relative_to(folder))
        found[name] = "present"
        for key, value in _values(path):
            found[f"{name}/{key}"] = json.dumps(value).replace(str(folder), "FOLDER")
    return found


def trials(study: Path) -> dict[int, dict[str, Any]]:
    """The trials of a study by number, without times and origin."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    loaded = optuna.load_study(study_name=None, storage=f"sqlite:///{study.resolve()}")
    return {trial.number: _trial(trial) for trial in loaded.get_trials(deepcopy=False)}


def _values(path: Path) -> Iterator[tuple[str, Any]]:
    if path.name == "study.db":
        yield from _study(path)
    elif path.name == "run.json":
        # Where and when: only that it is told.
        yield from ((key, "told") for key in json.loads(path.read_text()))
    elif path.suffix == ".json":
        yield from _flat(_unmeasured(json.loads(path.read_text()), path.name))
    elif path.suffix == ".yaml":
        yield from _flat(yaml.safe_load(path.read_text()))
    elif path.suffix == ".csv":
        with path.open() as file:
            for number, row in enumerate(csv.DictReader(file)):
                yield from ((f"{number}/{key}", value) for key, value in row.items())
    elif path.suffix == ".safetensors":
        yield from _tensors(path)
    elif path.suffix == ".onnx":
        yield from _onnx(path)


def _study(path: Path) -> Iterator[tuple[str, Any]]:
    loaded = optuna.load_study(study_name=None, storage=f"sqlite:///{path.resolve()}")
    yield "name", loaded.study_name
    yield "directions", [direction.name for direction in loaded.directions]
    yield from _flat(loaded.user_attrs, "attributes/")
    for number, trial in trials(path).items():
        yield from _flat(trial, f"{number}/")


def _trial(trial: optuna.trial.FrozenTrial) -> dict[str, Any]:
    return {
        "state": trial.state.name,
        "params": trial.params,
        "values": trial.values,
        "attributes": _unmeasured(trial.user_attrs, "study.db"),
        "system": _unmeasured(trial.system_attrs, "study.db"),
    }


def _tensors(path: Path) -> Iterator[tuple[str, Any]]:
    with safe_open(path, "numpy") as file:
        for key, text in sorted((file.metadata() or {}).items()):
            yield from _flat(_parsed(text), f"metadata/{key}/")
        names = sorted(file.keys())
        yield "names", names
        yield "sha256", _digest({name: file.get_tensor(name) for name in names})


def _onnx(path: Path) -> Iterator[tuple[str, Any]]:
    graph = onnx.load(path).graph
    yield "inputs", [str(node) for node in graph.input]
    yield "outputs", [str(node) for node in graph.output]
    yield "operators", dict(sorted(Counter(node.op_type for node in graph.node).items()))
    weights = {weight.name: onnx.numpy_helper.to_array(weight) for weight in graph.initializer}
    yield "sha256", _digest(weights)


def _digest(tensors: Mapping[str, Any]) -> str:
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tensor.shape}".encode())
        digest.update(np.ascontiguousarray(tensor).tobytes())
    return digest.hexdigest()


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _unmeasured(value: Any, file: str) -> Any:
    """Nested values without the keys of what was measured."""
    if isinstance(value, Mapping):
        measured = _MEASURED.get(file, ())
        return {key: _unmeasured(v, file) for key, v in value.items() if key not in measured}
    if isinstance(value, list):
        return [_unmeasured(item, file) for item in value]
    return value


def _flat(value: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _flat(inner, f"{prefix}{key}/")
    elif isinstance(value, list) and any(isinstance(item, (Mapping, list)) for item in value):
        for number, inner in enumerate(value):
            yield from _flat(inner, f"{prefix}{number}/")
    else:
        yield prefix.rstrip("/"), value
