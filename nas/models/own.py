"""Networks that a user brings: registered, named by an import path, or given as objects."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable
from typing import Any

from torch import nn

from nas.errors import UserError
from nas.objects import is_object, kept
from open_registry import Registry, UnknownNameError

TIMM_PLACES = ("hf-hub:", "hf_hub:", "local-dir:")
"""Timm's prefixes for networks on a hub or in a folder."""


def _complaint(found: Any) -> str | None:
    return None if callable(found) else "must be a class or function that makes a network"


NETWORKS: Registry[Callable[..., nn.Module]] = Registry("network", check=_complaint)
"""Classes and functions that make networks; `is_own` tells which names belong here."""


def is_own(name: str) -> bool:
    """Whether a name stands for a network that a user brings, not for one of timm's or ours."""
    if is_object(name) or name in NETWORKS.names():
        return True
    return ":" in name and not name.startswith(TIMM_PLACES)


def create_own(name: str, **known: Any) -> nn.Module:
    """Makes a network that a user brings; one that was given as an object is copied.

    Args:
        name: A registered name, an import path, or the name of an object.
        known: What is known of the task; the function is given what it has arguments for.

    Raises:
        UserError: If there is none such, or it does not make a network.
    """
    if is_object(name):
        found: nn.Module = copy.deepcopy(kept(name, "model"))
        return found
    try:
        make = NETWORKS.get(name)
    except UnknownNameError as error:
        raise UserError(str(error)) from error
    parameters = inspect.signature(make).parameters
    network = make(**{key: value for key, value in known.items() if key in parameters})
    if not isinstance(network, nn.Module):
        raise UserError(f"{name}: it makes a {type(network).__name__}, not a torch.nn.Module.")
    return network
