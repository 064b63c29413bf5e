"""Which device the tensors live on."""

from __future__ import annotations

import torch

from nas.errors import UserError


def resolve_device(name: str) -> torch.device:
    """Turns ``auto``, ``cpu``, ``cuda`` or ``cuda:N`` into a device that is there.

    Raises:
        UserError: If the name is not one of these, or the device is absent.
    """
    if name == "auto":
        return torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    kind, _, index = name.partition(":")
    if name == "cpu":
        return torch.device("cpu")
    if kind != "cuda" or (name != "cuda" and not index.isdecimal()):
        raise UserError(f"device {name!r} is not known; use auto, cpu, cuda or cuda:N.")
    if not torch.cuda.is_available():
        raise UserError(f"device {name!r} was asked for, but torch finds no GPU; use --device cpu.")
    if int(index or 0) >= torch.cuda.device_count():
        raise UserError(
            f"device {name!r} was asked for, but there are {torch.cuda.device_count()} GPUs."
        )
    return torch.device("cuda", int(index or 0))
