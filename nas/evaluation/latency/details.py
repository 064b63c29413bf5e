"""What a trial records of its latency."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from latency.devices.identity import DeviceIdentity
from latency.measuring.latency import Latency
from latency.predicting.calibration import Prediction

PREDICTED = "predicted"
MEASURED = "measured"


def predicted_details(prediction: Prediction, device: DeviceIdentity) -> dict[str, Any]:
    """The details of a latency that was predicted."""
    return {"source": PREDICTED, **asdict(prediction), "device": device.to_dict()}


def measured_details(figure: Latency, predicted: Mapping[str, Any]) -> dict[str, Any]:
    """The details of a latency that was measured after it had been predicted.

    Args:
        figure: What was measured.
        predicted: What `predicted_details` gave.
    """
    kept = {name: value for name, value in predicted.items() if name not in ("source", "device")}
    return {"source": MEASURED, **figure.to_dict(), PREDICTED: kept}


def unconfirmed_details(
    predicted: Mapping[str, Any], reason: str, figure: Latency | None = None
) -> dict[str, Any]:
    """The details of a latency that could not be measured, so that the prediction stands.

    Args:
        predicted: What `predicted_details` gave.
        reason: Why, in a sentence.
        figure: What was measured nevertheless.
    """
    found = {} if figure is None else {MEASURED: figure.to_dict()}
    return {**predicted, "unconfirmed": reason, **found}
