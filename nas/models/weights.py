"""Weights by name: files that hold them, and whether they fit a network."""

from __future__ import annotations

import argparse
import json
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from nas.errors import UserError
from nas.files import replacing

FILE = "model.safetensors"
_KEY = "nas"
CHECKPOINTS = (".pth", ".pt", ".bin", ".ckpt", ".tar")
# The running average comes first: it is what such trainings report.
_WITHIN = ("state_dict_ema", "model_ema", "state_dict", "model")
_WRAPPERS = ("module.", "_orig_mod.")


def read_tensors(path: Path, kind: str) -> dict[str, Tensor]:
    """Reads the tensors of a safetensors file, or of a checkpoint of PyTorch.

    Of a checkpoint, such as timm's, nothing but tensors and plain values is read, and no code of it
    is run; a running average of the weights is taken where there is one.

    Args:
        path: The file.
        kind: What they are the weights of, for the message.

    Raises:
        UserError: If the file cannot be read.
    """
    if path.suffix in CHECKPOINTS:
        return _read_checkpoint(path, kind)
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise UserError(f"{kind} weights {path}: not a readable safetensors file.") from error


def _read_checkpoint(path: Path, kind: str) -> dict[str, Tensor]:
    try:
        # timm keeps the options of a training, which are names and plain values.
        with torch.serialization.safe_globals([argparse.Namespace]):
            found = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, LookupError, ValueError, pickle.UnpicklingError) as e:
        raise UserError(
            f"{kind} weights {path}: not a readable checkpoint of tensors and plain values; save "
            "the network's state_dict, or a safetensors file."
        ) from e
    for key in _WITHIN:
        if isinstance(found, dict) and isinstance(found.get(key), dict):
            found = found[key]
            break
    tensors = {}
    for key, tensor in found.items() if isinstance(found, dict) else ():
        if isinstance(key, str) and isinstance(tensor, Tensor):
            for wrapper in _WRAPPERS:
                key = key.removeprefix(wrapper)
            tensors[key] = tensor
    if not tensors:
        raise UserError(f"{kind} weights {path}: the checkpoint holds no tensors by name.")
    return tensors


def load_tensors(
    network: nn.Module, found: Mapping[str, Tensor], source: str, noun: str = "network"
) -> None:
    """Loads weights by name; counters of batch norm may be missing, unknown names are ignored.

    Args:
        network: It gets the weights.
        found: Tensors by the names of the network.
        source: Where they come from, for the message.
        noun: What the network is, for the message.

    Raises:
        UserError: If a tensor is missing or has another shape; the sentence names the first.
    """
    wanted = network.state_dict()
    missing = [key for key in wanted if key not in found and "num_batches_tracked" not in key]
    if missing:
        raise UserError(
            f"{source}: {len(missing)} of {len(wanted)} tensors are missing, "
            f"{missing[0]!r} first; the file must hold the {noun}'s names."
        )
    unequal = [k for k in wanted if k in found and found[k].shape != wanted[k].shape]
    if unequal:
        key = unequal[0]
        raise UserError(
            f"{source}: {key!r} has shape {tuple(found[key].shape)}, "
            f"the {noun} has {tuple(wanted[key].shape)}."
        )
    network.load_state_dict({key: found.get(key, value) for key, value in wanted.items()})


def save_tensors(network: nn.Module, path: Path, metadata: dict[str, str] | None = None) -> None:
    """Writes parameters and buffers as safetensors, in one step."""
    # Weights that are views of one vector would be written with all of it.
    state = {k: v.detach().cpu().contiguous().clone() for k, v in network.state_dict().items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        save_file(state, temporary, metadata)


def save_described(network: nn.Module, description: str, path: Path) -> None:
    """Writes weights and the description of their network, as JSON, into one safetensors file."""
    save_tensors(network, path, {_KEY: description})


def read_described(path: Path) -> dict[str, Any]:
    """Reads the description of the network in a file.

    Raises:
        UserError: If there is no such file or it was not made by this toolkit.
    """
    metadata = _metadata(path)
    if _KEY not in metadata:
        raise UserError(
            f"{path}: it has no description of a network; was it made by nas retrain, train or "
            "distill?"
        )
    try:
        values = json.loads(metadata[_KEY])
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict):
        raise UserError(f"{path}: its description of a network is damaged.")
    return values


def has_description(path: Path) -> bool:
    """Whether a file of weights says how its network is built.

    Raises:
        UserError: If the file cannot be read.
    """
    return _KEY in _metadata(path)


def network_file(path: str | Path) -> Path:
    """The file itself, or the one that a folder holds.

    Raises:
        UserError: If the folder holds none.
    """
    path = Path(path)
    if not path.is_dir():
        return path
    if not (path / FILE).is_file():
        raise UserError(f"{path}: no network there; a folder with one holds {FILE}.")
    return path / FILE


def _metadata(path: Path) -> dict[str, str]:
    try:
        with safe_open(path, framework="pt") as file:
            return dict(file.metadata() or {})
    except (OSError, SafetensorError) as error:
        raise UserError(f"{path}: not a readable safetensors file.") from error
