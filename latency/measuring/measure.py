"""Latency, measured on the device asked for."""

from __future__ import annotations

import math
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import nn

from latency.devices import hardware
from latency.devices.device import Device, Placement, check_present, device_lock, parse_device
from latency.devices.identity import FLOAT32, ONNXRUNTIME, identify
from latency.engines import create_engine
from latency.engines.engine import Engine, Prepared, Source, source_for
from latency.errors import FallbackWarning, LatencyError, NoiseWarning, UnavailableError
from latency.exporting.formats import create_format
from latency.exporting.formats.format import Format
from latency.measuring.latency import Latency, figures_of
from latency.measuring.noise import noise_of
from latency.measuring.reference_network import INPUT_SHAPE, reference_network, reference_onnx
from latency.measuring.sampling import Samples, TimedRun, quietest, repeats_for, sample, warm_up
from latency.network import InputShape, check_input_shape
from latency.onnx_files.file import OnnxFile

MINIMUM_RUNS = 20
ATTEMPTS = 3
"""How often the runs are made at most, until the machine is quiet."""
_STEPS = 3
"""In how many parts they are made again: quiet often returns before the last."""


@dataclass(frozen=True)
class _Request:
    """How a network is measured."""

    engine: Engine
    placement: Placement
    runs: int
    warmup: int
    attempts: int
    reference_ms: float | None

    def __post_init__(self) -> None:
        if self.runs < MINIMUM_RUNS:
            raise LatencyError(f"{self.runs} runs are too few for a latency: ask for at least 20.")
        if self.warmup < 1:
            raise LatencyError(
                f"warmup is {self.warmup}: at least 1 run must come before the timed ones."
            )
        if self.attempts < 1:
            raise LatencyError(f"attempts is {self.attempts}: ask for at least 1.")

    def on_cpu(self) -> _Request:
        """The same on the CPU, where the reference network of another device says nothing."""
        engine = create_engine(self.engine.on_cpu)
        placement = replace(self.placement, device=Device("cpu"))
        return replace(self, engine=engine, placement=placement, reference_ms=None)


def measure(
    model: nn.Module,
    input_shape: Sequence[int],
    device: str | torch.device = "cpu",
    runs: int = 30,
    warmup: int = 10,
    threads: int = 1,
    engine: str = ONNXRUNTIME,
    allow_fallback: bool = False,
    reference_ms: float | None = None,
    attempts: int = ATTEMPTS,
) -> Latency:
    """Measures the latency of a network.

    Runs of the network take turns with runs of a small reference network, whose times show whether
    something else disturbed the machine. If so, more runs are made, until the last ones are quiet
    or those of all around which the reference was fastest. Measurements on one device exclude each
    other, also those of other processes.

    Args:
        model: The whole deployed network, on any device; it is not changed.
        input_shape: Shape N, C, H, W of the input.
        device: "cpu", "cuda" or "cuda:N".
        runs: Timed runs, at least 20.
        warmup: Runs before them, at least 1; more are made until the times no longer fall.
        threads: CPU threads of one operator.
        engine: What runs the network, one of `engine_names()`.
        allow_fallback: Whether the CPU will do, with a warning, where the device or what the engine
            needs there is missing.
        reference_ms: Quiet time of the reference network, for example that of a measurement on
            the idle device: `normalised_ms` is corrected to it, and it shows a neighbour that is
            busy all the time. Where the CPU stands in for the device, it is not used.
        attempts: How many times `runs` are made at most, at least 1.

    Raises:
        ExportError: If the network cannot be exported.
        UnavailableError: If the device is missing, or the network would run on another one.
        LatencyError: If an argument is wrong, or the engine cannot run the network.

    Warns:
        NoiseWarning: If the machine was busy all the time; not where `reference_ms` made up for it.
        FallbackWarning: If the network was measured on the CPU in place of the device.
    """
    shape = check_input_shape(input_shape)
    placement = Placement(parse_device(device), threads, allow_fallback)
    request = _Request(create_engine(engine), placement, runs, warmup, attempts, reference_ms)
    return _or_on_cpu(request, lambda chosen: _measure_model(model, shape, chosen))


def measure_onnx(
    path: Path | str,
    device: str | torch.device = "cpu",
    runs: int = 30,
    warmup: int = 10,
    threads: int = 1,
    engine: str = ONNXRUNTIME,
    allow_fallback: bool = False,
    reference_ms: float | None = None,
    attempts: int = ATTEMPTS,
    input_shape: Sequence[int] | None = None,
) -> Latency:
    """Measures the latency of an ONNX file with one image as its input, as `measure` does.

    Args:
        path: The ONNX file.
        device: "cpu", "cuda" or "cuda:N".
        runs: Timed runs, at least 20.
        warmup: Runs before them, at least 1; more are made until the times no longer fall.
        threads: CPU threads of one operator.
        engine: What runs the file: onnxruntime, tensorrt or openvino.
        allow_fallback: Whether the CPU will do, with a warning, where the device or what the engine
            needs there is missing.
        reference_ms: Quiet time of the reference network, as for `measure`.
        attempts: How many times `runs` are made at most, at least 1.
        input_shape: Shape N, C, H, W of the input; needed where the file leaves the batch open.

    Raises:
        UnavailableError: If the device is missing, or the network would run on another one.
        LatencyError: If an argument is wrong, the file is missing or is no such network, or the
            engine does not run ONNX files.

    Warns:
        NoiseWarning: If the machine was busy all the time; not where `reference_ms` made up for it.
        FallbackWarning: If the network was measured on the CPU in place of the device.
    """
    placement = Placement(parse_device(device), threads, allow_fallback)
    request = _Request(create_engine(engine), placement, runs, warmup, attempts, reference_ms)
    if not request.engine.takes_onnx:
        raise LatencyError(f"the engine {engine} does not run ONNX files: use onnxruntime.")
    file = OnnxFile.read(Path(path))
    shape = file.input_shape(input_shape)
    return _or_on_cpu(request, lambda chosen: _measure(file.path, shape, chosen, file.precision))


def measure_exported(
    path: Path | str,
    kind: Format | str,
    runs: int = 30,
    threads: int = 1,
    attempts: int = ATTEMPTS,
) -> Latency:
    """Measures the latency of an exported network on the CPU, as `measure` does.

    Args:
        path: The file.
        kind: Its format, or the name of that, one of `format_names()`.
        runs: Timed runs, at least 20.
        threads: CPU threads of one operator.
        attempts: How many times `runs` are made at most, at least 1.

    Raises:
        UnavailableError: If the runtime of the format is missing, or nothing here measures it.
        LatencyError: If an argument is wrong, or the file is none of the format.

    Warns:
        NoiseWarning: If the machine was busy all the time.
    """
    file, kind = Path(path), create_format(kind) if isinstance(kind, str) else kind
    if kind.engine is None:
        raise UnavailableError(
            f"{file}: {kind.absent_runtime or f'no engine runs files of {kind.title}'}."
        )
    shape = check_input_shape(kind.open(file).shape)
    placement = Placement(Device("cpu"), threads)
    request = _Request(create_engine(kind.engine), placement, runs, 10, attempts, None)
    return _or_on_cpu(request, lambda chosen: _measure(file, shape, chosen, FLOAT32))


def _or_on_cpu(request: _Request, measured: Callable[[_Request], Latency]) -> Latency:
    """Measures as requested, or on the CPU if that is allowed and nothing else is possible."""
    try:
        figure = measured(request)
    except UnavailableError as error:
        if not request.placement.allow_fallback:
            raise
        warnings.warn(f"measured on the CPU, because {error}", FallbackWarning, stacklevel=3)
        request = request.on_cpu()
        figure = measured(request)
    corrected = request.reference_ms is not None and figure.comparable
    if figure.noisy and not corrected:
        warnings.warn(
            # Without figures: Python shows a warning of the same text and place only once, and a
            # search measures hundreds of times.
            "the machine was busy all the time, so the latency is marked as noisy: measure again "
            "when the machine is idle.",
            NoiseWarning,
            stacklevel=3,
        )
    return figure


def _measure_model(model: nn.Module, shape: InputShape, request: _Request) -> Latency:
    # Known before the export, which takes a second.
    check_present(request.placement.device)
    with source_for(request.engine, model, shape) as source:
        return _measure(source, shape, request, FLOAT32)


def _measure(source: Source, shape: InputShape, request: _Request, precision: str) -> Latency:
    engine, placement = request.engine, request.placement
    device = placement.device
    identity = identify(str(device), placement.threads, engine.name, precision)
    with (
        device_lock(device),
        engine.prepare(source, shape, placement) as candidate,
        _reference(engine, placement) as reference,
    ):
        warm = warm_up(_timed(candidate), _timed(reference), request.warmup)
        repeats = repeats_for(warm)
        timed = _timed(candidate, repeats), _timed(reference)
        samples, attempts = _sample_until_quiet(timed, request)
        clock_mhz = hardware.clock_now(device)
    return Latency(
        **figures_of(samples, request.reference_ms),
        repeats=repeats,
        warmup_runs=len(warm),
        attempts=attempts,
        clock=candidate.clock.name,
        clock_mhz=clock_mhz,
        provider=candidate.provider,
        device=identity,
        input_shape=shape,
    )


@contextmanager
def _reference(engine: Engine, placement: Placement) -> Iterator[Prepared]:
    runner = create_engine(engine.reference)
    if not runner.takes_onnx:
        with runner.prepare(reference_network(), INPUT_SHAPE, placement) as prepared:
            yield prepared
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "reference.onnx")
        path.write_bytes(reference_onnx())
        with runner.prepare(path, INPUT_SHAPE, placement) as prepared:
            yield prepared


def _timed(prepared: Prepared, repeats: int = 1) -> TimedRun:
    return lambda: prepared.clock.time(prepared.run, repeats)


def _sample_until_quiet(timed: tuple[TimedRun, TimedRun], request: _Request) -> tuple[Samples, int]:
    """Samples of a quiet time, or the quietest of all, and how often the runs were made."""
    candidate, reference = timed
    most = request.runs * request.attempts
    every = sample(candidate, reference, request.runs)
    while True:
        # Quiet moments are often shorter than an attempt, so those of all count together too.
        latest, best = every.last(request.runs), quietest(every, request.runs)
        quiet = [part for part in (latest, best) if _is_quiet(part, request)]
        if quiet or len(every) == most:
            return (quiet or [best])[0], math.ceil(len(every) / request.runs)
        more = min(math.ceil(request.runs / _STEPS), most - len(every))
        every = every.joined(sample(candidate, reference, more))


def _is_quiet(samples: Samples, request: _Request) -> bool:
    return noise_of(samples, request.reference_ms).level <= 1
