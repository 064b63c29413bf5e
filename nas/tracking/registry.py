"""The trackers by their names."""

from __future__ import annotations

from typing import Any

from nas.errors import UserError
from nas.tracking.tracker import Tracker
from open_registry import Registry, UnknownNameError


def _complaint(found: Any) -> str | None:
    is_tracker = isinstance(found, type) and issubclass(found, Tracker)
    return None if is_tracker else "must be a subclass of nas.tracking.Tracker"


_TRACKERS: Registry[type[Tracker]] = Registry(
    "tracker",
    {
        "tensorboard": "nas.tracking.tensorboard:TensorBoard",
        "mlflow": "nas.tracking.mlflow:MLflow",
        "wandb": "nas.tracking.wandb:WeightsAndBiases",
    },
    _complaint,
)

register = _TRACKERS.register
"""A decorator that makes a tracker known by its name."""


def names() -> tuple[str, ...]:
    """The names of all trackers, whether or not their packages are installed."""
    return _TRACKERS.names()


def address(name: str) -> str:
    """What another process knows a tracker by; packages are not imported yet.

    Raises:
        UserError: If there is none of that name.
    """
    if name in names():
        return name
    try:
        return _TRACKERS.address(name)
    except UnknownNameError as error:
        raise UserError(str(error)) from error


def find(name: str) -> type[Tracker]:
    """The tracker of a name.

    Raises:
        UserError: If there is none, or its package is not installed.
    """
    try:
        return _TRACKERS.get(name)
    except UnknownNameError as error:
        raise UserError(str(error)) from error
