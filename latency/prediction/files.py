"""Predictors in files that several processes may share."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from latency.errors import LatencyError
from latency.identity import DeviceIdentity, same_device
from latency.prediction.predictor import Predictor

_VERSION = 1


def load_predictor(path: Path, device: DeviceIdentity) -> Predictor:
    """Reads the predictor of a device.

    Args:
        path: What `save_predictor` wrote.
        device: Whose latencies are to be predicted.

    Raises:
        LatencyError: If the file is missing or damaged, or belongs to another device.
    """
    if not path.is_file():
        raise LatencyError(f"{path}: no such file: calibrate the device first.")
    try:
        record = json.loads(path.read_text())
        if record["version"] != _VERSION:
            raise LatencyError(f"{path}: another version wrote it: calibrate the device again.")
        predictor = Predictor.from_dict(record)
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, LatencyError):
            raise
        raise LatencyError(f"{path}: it is damaged: calibrate the device again.") from error
    if not same_device(predictor.device, device):
        raise LatencyError(
            f"{path}: it was calibrated on {predictor.device.key}, and this is {device.key}: "
            "calibrate here."
        )
    return predictor


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
        LatencyError: If the file is damaged or belongs to another device.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_suffix(".lock"), mode=0o666):
        predictor = load_predictor(path, device) if path.is_file() else Predictor(device)
        yield predictor
        save_predictor(predictor, path)
