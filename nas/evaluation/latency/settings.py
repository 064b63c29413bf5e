"""Where and how the latency of candidates is told."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from nas.settings import Settings


class LatencySettings(Settings):
    """The device that candidates are meant for.

    Energy is measured there too.

    Attributes:
        device: "cpu", "cuda" or "cuda:N"; null is where candidates are trained.
        engine: Inference engine of the deployed network.
        threads: CPU threads of one operator.
        source: "predicted" predicts the latency of every candidate and measures those that come
            out best; "measured" measures it of each.
        networks: Number of networks measured to calibrate a new device.
        key: What the device is. A search notes it when it begins, and is refused elsewhere.
    """

    device: str | None = None
    engine: str = "onnxruntime"
    threads: int = Field(default=1, ge=1)
    source: Literal["predicted", "measured"] = "predicted"
    networks: int = Field(default=15, ge=1)
    key: str | None = None
