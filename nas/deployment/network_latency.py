"""How long a network takes, how sure that is, and where the time goes."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from pathlib import Path

from torch import nn

import latency
from latency.devices.device import Placement, parse_device
from latency.devices.identity import FLOAT32, ONNXRUNTIME, DeviceIdentity
from latency.errors import FallbackWarning, NoiseWarning, UnavailableError
from latency.measuring.latency import Latency
from latency.predicting.calibration import Prediction
from latency.predicting.predictor import Predictor, UnreadableError, load_predictor
from latency.profiling.eager_layers import eager_layers
from latency.profiling.layers import (
    LayerTime,
    grouped,
    measured_layers,
    measured_layers_of_onnx,
    predicted_layers,
    scaled,
)
from latency.tracing.forward_pass import trace, trace_by_module
from latency.tracing.operators import operators_of
from nas.deployment.named_network import NamedNetwork
from nas.errors import UserError
from nas.evaluation.latency.forecast import predictor_path

_EAGER = "torch"


@dataclass(frozen=True)
class Place:
    """Where a network runs, and how.

    Attributes:
        device: "cpu", "cuda" or "cuda:N".
        engine: What runs it.
        threads: CPU threads of one operator.
        runs: Timed runs.
        allow_fallback: Whether the CPU will do where the device is missing.
    """

    device: str = "cpu"
    engine: str = ONNXRUNTIME
    threads: int = 1
    runs: int = 30
    allow_fallback: bool = False


@dataclass(frozen=True)
class NetworkLatency:
    """A network's latency, measured and predicted.

    Attributes:
        measured: What was measured.
        idle_ms: What it takes when the device is idle, by the reference network of its calibration;
            None where the device was not calibrated with that engine.
        warnings: Sentences about how it was measured.
        counts: Parameters and multiply-accumulates; None for an ONNX file.
        predicted: What was predicted; None where the device was not calibrated for such networks.
        predictor: What predicted it.
    """

    measured: Latency
    idle_ms: float | None
    warnings: tuple[str, ...]
    counts: latency.Counts | None
    predicted: Prediction | None
    predictor: Predictor | None

    @property
    def ms(self) -> float:
        """What predictions are about: the time on the idle device, or what was measured."""
        return self.measured.median_ms if self.idle_ms is None else self.idle_ms


def network_latency(network: NamedNetwork, place: Place) -> NetworkLatency:
    """Measures a network, and predicts it if the device was calibrated for its family.

    Raises:
        LatencyError: If it cannot be measured there.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        asked = _calibration_at(place)
        measured = _measure(network, place, asked.reference_ms if asked else None)
    said = [str(w.message) for w in caught if w.category in (NoiseWarning, FallbackWarning)]
    # Networks in int8 share the reference of the others; a device that stood in has its own.
    ran_on = replace(measured.device, precision=FLOAT32)
    here = asked if asked and asked.device.key == ran_on.key else _calibration_of(ran_on)
    if here.is_lost:
        said.append(f"{here.path}: this calibration cannot be read: calibrate the device again.")
    idle_ms = None if here.reference_ms is None else measured.ratio * here.reference_ms
    source = network.source
    if isinstance(source, Path):
        return NetworkLatency(measured, idle_ms, tuple(said), None, None, None)
    predictor, predicted = here.predictor_for(network.family), None
    if predictor is not None and network.family is not None:
        operators = operators_of(trace(source, network.input_shape))
        predicted = predictor.predict(network.family, operators)
    counts = latency.count(source, network.input_shape)
    return NetworkLatency(measured, idle_ms, tuple(said), counts, predicted, predictor)


def check_explainable(place: Place) -> None:
    """Refuses an engine that does not tell what its layers take.

    Raises:
        UserError: With those that do.
    """
    if place.engine not in (ONNXRUNTIME, _EAGER):
        raise UserError(
            f"the engine {place.engine} does not tell what its layers take; use onnxruntime or "
            "torch."
        )


def network_layers(
    network: NamedNetwork, place: Place, found: NetworkLatency, depth: int | None = None
) -> tuple[list[LayerTime], list[LayerTime]]:
    """Where the time goes.

    Args:
        network: The network.
        place: Where it runs.
        found: Its latency there; the layers share it.
        depth: Parts of a module's path that tell layers apart; None for whole paths.

    Returns:
        The layers as measured, the slowest first, and as predicted: none of these where the device
        was not calibrated for such networks.

    Raises:
        UserError: If the engine does not tell what its layers take.
        LatencyError: If the network cannot run there.
    """
    layers = grouped(scaled(_profile(network, place), found.ms), depth)
    predictor = found.predictor
    slowest_first = sorted(layers, key=lambda layer: -layer.ms)
    if predictor is None or network.family is None or isinstance(network.source, Path):
        return slowest_first, []
    operators = operators_of(trace_by_module(network.source, network.input_shape))
    milliseconds = predictor.layers(network.family, operators)
    return slowest_first, grouped(predicted_layers(operators, milliseconds), depth)


@dataclass(frozen=True)
class _Calibration:
    """What is known of a device beforehand."""

    device: DeviceIdentity
    path: Path
    predictor: Predictor | None

    @property
    def is_lost(self) -> bool:
        """Whether there is one that cannot be read."""
        return self.predictor is None and self.path.is_file()

    @property
    def reference_ms(self) -> float | None:
        """What the reference network takes on the idle device."""
        return self.predictor.reference_ms if self.predictor is not None else None

    def predictor_for(self, family: str | None) -> Predictor | None:
        """The predictor, if the device was calibrated on networks of a family."""
        if self.predictor is None or family is None or not self.predictor.families.get(family):
            return None
        return self.predictor


def _calibration_at(place: Place) -> _Calibration | None:
    try:
        return _calibration_of(latency.identify(place.device, place.threads, place.engine))
    except UnavailableError:
        # Whether that is an error, the measurement knows.
        return None


def _calibration_of(device: DeviceIdentity) -> _Calibration:
    path = predictor_path(device)
    try:
        predictor = load_predictor(path, device) if path.is_file() else None
    except UnreadableError:
        # No reason to refuse a measurement, which says that the calibration is lost.
        predictor = None
    return _Calibration(device, path, predictor)


def _measure(network: NamedNetwork, place: Place, reference_ms: float | None) -> Latency:
    source = network.source
    if isinstance(source, Path):
        return latency.measure_onnx(
            source,
            place.device,
            runs=place.runs,
            threads=place.threads,
            engine=place.engine,
            allow_fallback=place.allow_fallback,
            reference_ms=reference_ms,
            input_shape=network.input_shape,
        )
    return latency.measure(
        source,
        network.input_shape,
        place.device,
        runs=place.runs,
        threads=place.threads,
        engine=place.engine,
        allow_fallback=place.allow_fallback,
        reference_ms=reference_ms,
    )


def _profile(network: NamedNetwork, place: Place) -> list[LayerTime]:
    placement = Placement(parse_device(place.device), place.threads, place.allow_fallback)
    check_explainable(place)
    source: nn.Module | Path = network.source
    if isinstance(source, Path):
        return measured_layers_of_onnx(source, placement)
    profile = measured_layers if place.engine == ONNXRUNTIME else eager_layers
    return profile(source, network.input_shape, placement)
