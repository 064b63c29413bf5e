"""A forecast for a search, on a device that is calibrated first where it has to be."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from filelock import FileLock

import latency
from latency.predicting.predictor import clear_unreadable
from nas.evaluation.latency.calibration import Calibrated, calibrate
from nas.evaluation.latency.forecast import Forecast, predictor_path
from nas.evaluation.latency.settings import LatencySettings
from nas.files import naming_full_disks
from nas.kinds.candidates import Candidates


def ready_forecast(
    candidates: Candidates,
    settings: LatencySettings,
    device: str,
    say: Callable[[str], None] = lambda sentence: None,
) -> Forecast:
    """What predicts the latencies of candidates.

    A device that was calibrated for them before, by whatever search or command, is not calibrated
    again. Of several processes that ask at once, one calibrates and the others wait.

    Args:
        candidates: Whose latencies.
        settings: Engine, threads, and number of networks to calibrate on.
        device: "cpu", "cuda" or "cuda:N".
        say: Told, in a sentence, that the device is calibrated and what that gave.

    Raises:
        LatencyError: If the device is missing, or latencies of the engine cannot be predicted.
    """
    identity = latency.identify(device, settings.threads, settings.engine)
    path = predictor_path(identity)
    with naming_full_disks(path), _alone(path):
        clear_unreadable(path, identity)
        if path.is_file():
            forecast = Forecast(candidates, identity, path)
            if forecast.is_calibrated:
                return forecast
        say(
            f"latency: no search of such networks was calibrated on {identity.model} by "
            f"{settings.engine} yet; timing their operators and {settings.networks} of them, which "
            "takes a minute or two"
        )
        start = time.perf_counter()
        # Building networks draws random weights.
        with torch.random.fork_rng(devices=[]):
            found = calibrate(
                candidates, device, settings.engine, settings.threads, settings.networks, path=path
            )
        say(_told(found, time.perf_counter() - start))
        return Forecast(candidates, identity, path)


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_suffix(".calibration.lock"), mode=0o666):
        yield


def _told(found: Calibrated, seconds: float) -> str:
    busy = f", {found.noisy} of them while the machine was busy" if found.noisy else ""
    return (
        f"latency: calibrated in {seconds:.0f} s with {found.operators} operators and "
        f"{found.networks} networks{busy}; predictions are off by about {found.error:.1%}; kept in "
        f"{found.path}"
    )
