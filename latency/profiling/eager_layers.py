"""Where the time of a network goes in PyTorch, module by module."""

from __future__ import annotations

import contextlib
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from torch import nn

from latency.devices.device import Placement, device_lock
from latency.engines.eager import OnDevice, on_device
from latency.network import check_input_shape
from latency.profiling.layers import LayerTime
from latency.profiling.onnx_nodes import typical

RUNS = 30
_WARM_UP = 5
_NANOSECONDS_PER_MS = 1e6

_Spent = dict[str, list[float]]
"""Milliseconds by path, one for each run."""


def eager_layers(
    model: nn.Module, input_shape: Sequence[int], placement: Placement, runs: int = RUNS
) -> list[LayerTime]:
    """Times every module of a network by hooks.

    What a module does itself, and not in its children, is its own time. On a GPU every module
    waits for the device, so the times add up to more than the network takes.

    Args:
        model: The whole deployed network; it is not changed.
        input_shape: Shape N, C, H, W of the input.
        placement: Where it runs.
        runs: How often it runs.

    Returns:
        The modules that do something themselves, in the order in which they end.

    Raises:
        UnavailableError: If torch does not see the device.
    """
    shape = check_input_shape(input_shape)
    with device_lock(placement.device), on_device(model, shape, placement) as placed:
        for _ in range(_WARM_UP):
            placed.network(placed.image)
        now = _clock(placed, placement)
        spent: _Spent = defaultdict(list)
        for _ in range(runs):
            with _timed(placed.network, now) as own:
                placed.network(placed.image)
            for path, ms in own.items():
                spent[path].append(ms)
        kinds = {path: type(module).__name__ for path, module in placed.network.named_modules()}
    return [LayerTime(path, kinds[path], None, typical(times)) for path, times in spent.items()]


def _clock(placed: OnDevice, placement: Placement) -> Callable[[], float]:
    """Milliseconds, once the device has done what it was given."""
    if placed.stream is not None:
        stream = placed.stream

        def after_device() -> float:
            stream.synchronize()
            return time.perf_counter_ns() / _NANOSECONDS_PER_MS

        return after_device
    read = time.thread_time_ns if placement.threads == 1 else time.perf_counter_ns
    return lambda: read() / _NANOSECONDS_PER_MS


@contextlib.contextmanager
def _timed(network: nn.Module, now: Callable[[], float]) -> Iterator[dict[str, float]]:
    """The own time of every module that runs within the context."""
    own: dict[str, float] = defaultdict(float)
    starts: list[float] = []
    within: list[float] = [0.0]
    handles = []

    def enter(_module: nn.Module, _args: Any) -> None:
        within.append(0.0)
        starts.append(now())

    for path, module in network.named_modules():

        def leave(_module: nn.Module, _args: Any, _output: Any, path: str = path) -> None:
            whole = now() - starts.pop()
            own[path] += whole - within.pop()
            within[-1] += whole

        handles.append(module.register_forward_pre_hook(enter))
        handles.append(module.register_forward_hook(leave))
    try:
        yield own
    finally:
        for handle in handles:
            handle.remove()
