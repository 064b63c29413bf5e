"""Checkpoints that survive a kill at any moment, and loading them without pickled code."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from nas.errors import UserError
from nas.files import replacing
from nas.models.weights import save_tensors


def save_weights(module: nn.Module, path: Path) -> None:
    """Writes parameters and buffers as safetensors, in one step."""
    save_tensors(module, path)


def load_weights(module: nn.Module, path: Path) -> None:
    """Reads what `save_weights` wrote.

    Raises:
        UserError: If the file cannot be read or belongs to another network.
    """
    try:
        module.load_state_dict(load_file(path))
    except (OSError, SafetensorError) as error:
        raise UserError(f"weights {path}: not a readable safetensors file.") from error
    except RuntimeError as error:
        raise UserError(f"weights {path}: they belong to another network.") from error


def save_checkpoint(state: dict[str, Any], path: Path) -> None:
    """Writes tensors and plain values in one step; a kill leaves the previous file whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # An open file, as PyTorch hides why it cannot write to a path.
    with replacing(path) as temporary, temporary.open("wb") as file:
        torch.save(state, file)


def load_checkpoint(path: Path) -> dict[str, Any] | None:
    """Reads what `save_checkpoint` wrote, or None if there is no file.

    Raises:
        UserError: If it is damaged, or holds anything but tensors and plain values.
    """
    if not path.exists():
        return None
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, OSError, EOFError, ValueError, pickle.UnpicklingError) as error:
        raise UserError(
            f"checkpoint {path}: it cannot be read; delete it to begin this training again."
        ) from error
    return state


def snapshot(module: nn.Module) -> dict[str, Tensor]:
    """A copy of a module's parameters and buffers."""
    return {key: value.detach().clone() for key, value in module.state_dict().items()}
