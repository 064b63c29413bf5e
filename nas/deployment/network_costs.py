"""Memory and energy of a network that a user has named."""

from __future__ import annotations

from pathlib import Path

import latency
from latency.devices.device import parse_device
from nas.deployment.named_network import NamedNetwork
from nas.deployment.network_latency import Place


def network_memory(network: NamedNetwork, place: Place) -> tuple[latency.Memory, int | None]:
    """Counts the peak memory of a network.

    Returns:
        The counted bytes, and what PyTorch allocates on the GPU; None for a CPU or an ONNX file.

    Raises:
        LatencyError: If sizes in an ONNX file are not known, or the device is missing.
    """
    source = network.source
    if isinstance(source, Path):
        return latency.count_onnx_memory(source, network.input_shape), None
    counted = latency.count_memory(source, network.input_shape)
    if parse_device(place.device).kind != "cuda" or place.allow_fallback:
        return counted, None
    return counted, latency.measure_cuda_memory(source, network.input_shape, place.device)


def network_energy(network: NamedNetwork, place: Place) -> latency.Energy | str:
    """Measures the energy of a network, or tells in a sentence why the device does not count it.

    Raises:
        LatencyError: If the network cannot run there.
    """
    source, shape = network.source, network.input_shape
    try:
        if isinstance(source, Path):
            return latency.measure_onnx_energy(
                source, place.device, place.threads, place.engine, input_shape=shape
            )
        return latency.measure_energy(source, shape, place.device, place.threads, place.engine)
    except latency.UnavailableError as error:
        return str(error)
