"""The figures of a measured latency."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from latency.devices.identity import DeviceIdentity
from latency.measuring.noise import (
    QUIET,
    Noise,
    is_sure,
    median_interval,
    noise_of,
    quantile,
    relative_interval,
)
from latency.measuring.sampling import Samples


@dataclass(frozen=True)
class Latency:
    """Time of one forward pass, in milliseconds.

    Attributes:
        min_ms: Shortest run.
        median_ms: Median run.
        p90_ms: 90th percentile.
        low_ms: Lower end of the 95 % confidence interval of the median, within this measurement.
        high_ms: Its upper end.
        wall_ms: Median of the wall time of the same runs.
        normalised_ms: Quiet time of the network: `ratio` times that of the reference network, as
            it was given or else as it was here. On a machine that others use it repeats better than
            the median.
        ratio: Median of the network's runs over those of the reference network around them.
        ratio_interval: Half the width of the 95 % confidence interval of `ratio`, as a share of it.
        reference_ms: Quiet time of the reference network, the lower decile of its runs.
        reference_median_ms: Median run of the reference network.
        noise: What disturbed the measurement.
        runs: Number of timed samples.
        repeats: Runs in a row that make one sample, whose mean counts; more than one only where a
            run is shorter than a millisecond.
        warmup_runs: Runs before them.
        attempts: How often the runs were made until the machine was quiet enough; one that was
            begun counts.
        clock: What `min_ms` to `high_ms` are read from: "thread" (processor time of the one thread
            that works), "wall" (several threads) or "cuda" (events of the GPU).
        clock_mhz: Of the processor or the GPU just after the runs; None where it cannot be read.
        provider: What ran the network, for example an onnxruntime provider.
        device: The device and the engine.
        input_shape: Shape N, C, H, W of the input.
    """

    min_ms: float
    median_ms: float
    p90_ms: float
    low_ms: float
    high_ms: float
    wall_ms: float
    normalised_ms: float
    ratio: float
    ratio_interval: float
    reference_ms: float
    reference_median_ms: float
    noise: Noise
    runs: int
    repeats: int
    warmup_runs: int
    attempts: int
    clock: str
    clock_mhz: int | None
    provider: str
    device: DeviceIdentity
    input_shape: tuple[int, ...]

    @property
    def noisy(self) -> bool:
        """Whether the machine was too busy for the figures to be believed."""
        return self.noise.level > 1

    @property
    def comparable(self) -> bool:
        """Whether `ratio`, and so `normalised_ms`, is known well, however busy the machine was."""
        return is_sure(self.ratio_interval)

    @property
    def fingerprint(self) -> str:
        """A text that is equal exactly where two latencies may be compared."""
        size = "x".join(str(length) for length in self.input_shape)
        return f"{self.device.key}, {self.provider}, {self.clock} clock, {size}"

    def to_dict(self) -> dict[str, Any]:
        """A JSON-serialisable record; `from_dict` reads it back."""
        return asdict(self) | {
            "input_shape": list(self.input_shape),
            "noisy": self.noisy,
            "fingerprint": self.fingerprint,
        }

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Latency:
        """Reads what `to_dict` wrote."""
        # Records of earlier versions do not tell how sure the ratio is.
        known = {"ratio_interval": math.inf, **record}
        fields = {name: known[name] for name in cls.__dataclass_fields__}
        return cls(
            **fields
            | {
                "noise": Noise(**record["noise"]),
                "device": DeviceIdentity(**record["device"]),
                "input_shape": tuple(record["input_shape"]),
            }
        )


def figures_of(samples: Samples, reference_ms: float | None = None) -> dict[str, Any]:
    """The fields of a `Latency` that follow from timed runs.

    Args:
        samples: The timed runs.
        reference_ms: The quiet time of the reference network where it is known from elsewhere.
    """
    candidate = [timing.ms for timing in samples.candidate]
    reference = [timing.ms for timing in samples.reference]
    low, high = median_interval(candidate)
    # What disturbs a run makes it longer, so the faster runs tell more.
    quiet = quantile(reference, QUIET)
    ratios = samples.ratios()
    ratio = statistics.median(ratios)
    return {
        "min_ms": min(candidate),
        "median_ms": statistics.median(candidate),
        "p90_ms": quantile(candidate, 0.9),
        "low_ms": low,
        "high_ms": high,
        "wall_ms": statistics.median(timing.wall_ms for timing in samples.candidate),
        "normalised_ms": ratio * (quiet if reference_ms is None else reference_ms),
        "ratio": ratio,
        "ratio_interval": relative_interval(ratios),
        "reference_ms": quiet,
        "reference_median_ms": statistics.median(reference),
        "noise": noise_of(samples, reference_ms),
        "runs": len(candidate),
    }
