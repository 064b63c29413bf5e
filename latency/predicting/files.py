"""Predictors in files that several processes may share."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from latency.devices.identity import DeviceIdentity, same_device
from latency.errors import LatencyError
from latency.predicting.predictor import Predictor

# Version 1 was on the scale of another reference network.
_VERSION = 2


class UnreadableError(LatencyError):
    """A file that no predictor can be read from."""


def load_predictor(path: Path, device: DeviceIdentity) -> Predictor:
    """Reads the predictor of a device.

    Args:
        path: What `save_predictor` wrote.
        device: Whose latencies are to be predicted.

    Raises:
        UnreadableError: If the file is damaged, or another version wrote it.
        LatencyError: If it is missing, or belongs to another device.
    """
    if not path.is_file():
        raise LatencyError(f"{path}: no such file: calibrate the device first.")
    try:
        record = json.loads(path.read_text())
        version = record["version"]
        predictor = Predictor.from_dict(record) if version == _VERSION else None
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UnreadableError(f"{path}: it is damaged: calibrate the device again.") from error
    if predictor is None:
        raise UnreadableError(f"{path}: another version wrote it: calibrate the device again.")
    if not same_device(predictor.device, device):
        raise LatencyError(
            f"{path}: it was calibrated on {predictor.device.key}, and this is {device.key}: "
            "calibrate here."
        )
    return predictor


def clear_unreadable(path: Path, device: DeviceIdentity) -> None:
    """Removes a file that no predictor can be read from, to make room for a new calibration.

    Raises:
        LatencyError: If it is the predictor of another device.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with _locked(path):
        if path.is_file():
            try:
                load_predictor(path, device)
            except UnreadableError:
                path.unlink()


def save_predictor(predictor: Predictor, path: Path) -> None:
    """Writes a predictor; the file appears complete or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"version": _VERSION, **predictor.to_dict()})
    with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as folder:
        written = Path(folder, path.name)
        written.write_text(text)
        written.replace(path)


@contextmanager
def shared_predictor(path: Path, device: DeviceIdentity) -> Iterator[Predictor]:
    """The predictor of a file, which is written back at the end; a new one if there is no file.

    Other processes that do the same wait meanwhile.

    Raises:
        UnreadableError: If the file is damaged, or another version wrote it.
        LatencyError: If it belongs to another device.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with _locked(path):
        predictor = load_predictor(path, device) if path.is_file() else Predictor(device)
        yield predictor
        save_predictor(predictor, path)


def _locked(path: Path) -> FileLock:
    return FileLock(path.with_suffix(".lock"), mode=0o666)
