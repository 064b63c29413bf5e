"""Predicted latencies of the candidates of one search."""

from __future__ import annotations

import hashlib
from pathlib import Path

from latency.devices.identity import DeviceIdentity
from latency.predicting.calibration import Prediction
from latency.predicting.predictor import Predictor, load_predictor, save_predictor, shared_predictor
from latency.tracing.operators import Operator
from nas.files import naming_full_disks
from nas.kinds.candidates import Candidates
from search_spaces.genotype import Genotype
from user_folders import cache_folder


class Forecast:
    """Predicts latencies, and learns from every one that is measured.

    Args:
        candidates: Whose latencies.
        device: Where, and with which engine.
        path: File of the predictor; that of the device in the user's cache folder unless given.

    Attributes:
        device: Where, and with which engine.

    Raises:
        LatencyError: If there is no such file, or it belongs to another device.
    """

    def __init__(
        self, candidates: Candidates, device: DeviceIdentity, path: Path | None = None
    ) -> None:
        self._candidates, self.device = candidates, device
        self._path = path or predictor_path(device)
        self._version = self._version_of_file()
        self._predictor = load_predictor(self._path, device)

    @property
    def reference_ms(self) -> float | None:
        """What measurements should be told as `reference_ms`, to be on the scale of this one."""
        return self._latest().reference_ms

    @property
    def is_calibrated(self) -> bool:
        """Whether networks of these candidates' family were measured."""
        return bool(self._latest().families.get(self._candidates.family))

    def predict(self, genotype: Genotype) -> Prediction:
        """The latency of a candidate."""
        return self.predict_operators(self._candidates.operators(genotype))

    def predict_operators(self, operators: tuple[Operator, ...]) -> Prediction:
        """The latency of a candidate whose operators are known."""
        return self._latest().predict(self._candidates.family, operators)

    def observe(self, genotype: Genotype, ms: float) -> None:
        """Learns from a candidate that was measured, for all that use the same file.

        Args:
            genotype: The candidate.
            ms: Its latency in milliseconds, best the `normalised_ms` of a comparable `Latency`.
        """
        operators = self._candidates.operators(genotype)
        with naming_full_disks(self._path):
            if self._version_of_file() is None:
                # Somebody has cleared the cache.
                save_predictor(self._predictor, self._path)
            with shared_predictor(self._path, self.device) as predictor:
                predictor.observe(self._candidates.family, operators, ms)
        self._predictor, self._version = predictor, self._version_of_file()

    def _latest(self) -> Predictor:
        """The predictor with what others have learned since, as long as its file is there."""
        version = self._version_of_file()
        if version not in (None, self._version):
            self._predictor = load_predictor(self._path, self.device)
            self._version = version
        return self._predictor

    def _version_of_file(self) -> tuple[int, int] | None:
        try:
            known = self._path.stat()
        except FileNotFoundError:
            return None
        # Every version is a new file, so the number tells even those of the same moment apart.
        return known.st_mtime_ns, known.st_ino


def predictor_path(device: DeviceIdentity) -> Path:
    """Where the predictor of a device is kept for all searches of a user."""
    digest = hashlib.sha256(device.key.encode()).hexdigest()[:16]
    return cache_folder() / "latency" / f"{device.kind}-{device.engine}-{digest}.json"
