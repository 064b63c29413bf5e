"""Predicts latencies on one device, learns from those that are measured there, and is saved."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock

from latency.devices.device import Placement, parse_device
from latency.devices.identity import DeviceIdentity, same_device
from latency.errors import LatencyError
from latency.predicting.calibration import Calibration, Prediction
from latency.predicting.operator_table import OperatorTable
from latency.predicting.operator_times import time_operators
from latency.tracing.operators import Operator

REMEMBERED = 200
"""Measured networks of a family that a calibration rests on: the latest."""
# Version 1 was on the scale of another reference network.
_VERSION = 2


@dataclass(frozen=True)
class Observation:
    """A network that was measured.

    Attributes:
        operators: How often it has each operator, by key.
        ms: Its latency in milliseconds.
    """

    operators: Mapping[str, int]
    ms: float


@dataclass
class Predictor:
    """A table of operators, and networks that were measured.

    Networks of one family have something in common that their operators do not tell, such as an
    encoder or the size of the image, and are calibrated together.

    Attributes:
        device: Whose latencies it predicts, and with what engine.
        table: Times of operators.
        families: Observations by the name of the family.
        reference_ms: Quiet time of the reference network when the device was calibrated; see
            `latency.measure`.
    """

    device: DeviceIdentity
    table: OperatorTable = field(default_factory=OperatorTable)
    families: dict[str, list[Observation]] = field(default_factory=dict)
    reference_ms: float | None = None
    _calibrations: dict[str, Calibration] = field(default_factory=dict, repr=False, compare=False)

    def learn(self, operators: Iterable[Operator], device: str) -> int:
        """Measures the operators that the table lacks.

        Args:
            operators: Of any networks.
            device: As a user names it, for example "cuda:1".

        Returns:
            How many were measured.

        Raises:
            LatencyError: If operators cannot be timed with the engine.
            UnavailableError: If the device or what the engine needs is missing.
        """
        missing = self.table.missing(operators)
        if missing:
            placement = Placement(parse_device(device), self.device.threads)
            self.table.add(missing, time_operators(missing, placement, self.device.engine))
            self._calibrations.clear()
        return len(missing)

    def take(self, family: str, other: Predictor) -> None:
        """Takes over the table and one family of a predictor of the same device."""
        self.table.update(other.table)
        self.families[family] = list(other.families.get(family, []))
        self.reference_ms = other.reference_ms
        self._calibrations.clear()

    def observe(self, family: str, operators: Sequence[Operator], ms: float) -> None:
        """Learns from a network that was measured on the device.

        Args:
            family: Of the network.
            operators: Of the network.
            ms: Its latency in milliseconds.
        """
        self.table.guess(operators)
        known = self.families.setdefault(family, [])
        known.append(Observation(_counts(operators), ms))
        del known[:-REMEMBERED]
        self._calibrations.pop(family, None)

    def predict(self, family: str, operators: Sequence[Operator]) -> Prediction:
        """The latency of a network.

        Args:
            family: Of the network; one that was never observed gives wide intervals.
            operators: Of the network.
        """
        self.table.guess(operators)
        return self.calibration(family).predict(self.table.sum(_counts(operators)))

    def layers(self, family: str, operators: Sequence[Operator]) -> list[float]:
        """Milliseconds of each operator of a network; the rest of it is overhead."""
        self.table.guess(operators)
        _, slope, node = self.calibration(family).coefficients()
        entries = [self.table[operator.key] for operator in operators]
        return [
            max(slope * entry.microseconds / 1000 + node * entry.nodes, 0.0) for entry in entries
        ]

    def calibration(self, family: str) -> Calibration:
        """The line that the observations of a family give."""
        if family not in self._calibrations:
            known = self.families.get(family, [])
            sums = [self.table.sum(observation.operators) for observation in known]
            self._calibrations[family] = Calibration(sums, [one.ms for one in known])
        return self._calibrations[family]

    def to_dict(self) -> dict[str, Any]:
        """A JSON-serialisable record; `from_dict` reads it back."""
        return {
            "device": self.device.to_dict(),
            "reference_ms": self.reference_ms,
            "operators": self.table.to_dict(),
            "families": {
                name: [{"ms": one.ms, "operators": dict(one.operators)} for one in known]
                for name, known in self.families.items()
            },
        }

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Predictor:
        """Reads what `to_dict` wrote."""
        families = {
            name: [Observation(one["operators"], one["ms"]) for one in known]
            for name, known in record["families"].items()
        }
        return cls(
            device=DeviceIdentity(**record["device"]),
            table=OperatorTable.from_dict(record["operators"]),
            families=families,
            reference_ms=record["reference_ms"],
        )


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


def _counts(operators: Iterable[Operator]) -> Counter[str]:
    return Counter(operator.key for operator in operators)
