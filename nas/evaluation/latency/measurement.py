"""The measured latency of a candidate."""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path

import torch

import latency
from latency.devices.identity import DeviceIdentity
from latency.engines import create_engine
from latency.measuring.measure import ATTEMPTS
from nas.kinds.candidates import Candidates
from search_spaces.genotype import Genotype


def measure_candidate(
    candidates: Candidates,
    genotype: Genotype,
    identity: DeviceIdentity,
    device: str,
    reference_ms: float | None,
    attempts: int = ATTEMPTS,
) -> latency.Latency:
    """Builds, exports and measures a candidate; torch's random numbers stay as they are.

    The figure says whether the machine was busy; nothing else warns of it.

    Args:
        candidates: The networks.
        genotype: Which of them.
        identity: The device, with the engine and the threads.
        device: "cpu", "cuda" or "cuda:N".
        reference_ms: Quiet time of the reference network there, if it is known.
        attempts: How often the runs are made at most.

    Raises:
        LatencyError: If the network cannot be exported or measured.
    """
    engine, threads, shape = identity.engine, identity.threads, candidates.input_shape
    with (
        warnings.catch_warnings(),
        torch.random.fork_rng(devices=[]),
        tempfile.TemporaryDirectory() as folder,
    ):
        warnings.simplefilter("ignore", latency.NoiseWarning)
        network = candidates.network(genotype)
        if not create_engine(engine).takes_onnx:
            return latency.measure(
                *(network, shape, device),
                engine=engine,
                threads=threads,
                reference_ms=reference_ms,
                attempts=attempts,
            )
        return latency.measure_onnx(
            candidates.export(network, shape, Path(folder, "network.onnx")),
            device,
            engine=engine,
            threads=threads,
            reference_ms=reference_ms,
            attempts=attempts,
        )
