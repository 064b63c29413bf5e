"""Operators, timed by themselves."""

from __future__ import annotations

import math
import random
import re
import statistics
import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from latency.devices.device import Placement, device_lock
from latency.devices.identity import ONNXRUNTIME
from latency.engines import create_engine, predictable_engines
from latency.errors import LatencyError
from latency.predicting.operator_network import OperatorNetwork, RepeatedOperator
from latency.profiling.onnx_nodes import NodeTime, owners, profile_onnx, typical
from latency.tracing.operators import Operator

_OPSET = 18
_AT_ONCE = 150
"""Operators in one network: about as many as in a candidate, for caches to be as full."""
_OWNER = re.compile(r"/operators\.(\d+)/operator/")
_ORDERS = 8
"""How often they are timed, each time with other neighbours and in another session.

More runs of one session do not help: its times were 5 % off where the median over six was 1 % off.
"""
_RUNS = 30
_TIMES = 4
_SAMPLES = 30
_SAMPLE_MS = 0.5
_MICROSECONDS_PER_MS = 1000.0


@dataclass(frozen=True)
class OperatorTime:
    """What an operator takes.

    Attributes:
        microseconds: Time of its nodes.
        nodes: Number of nodes that the runtime makes of it; 0 if it drops them.
    """

    microseconds: float
    nodes: int


def time_operators(
    operators: Sequence[Operator], placement: Placement, engine: str = ONNXRUNTIME
) -> list[OperatorTime]:
    """Times operators, a few hundred in some seconds.

    Args:
        operators: What is timed, with random weights.
        placement: Where and how they run.
        engine: What runs them, one of `predictable_engines()`.

    Raises:
        LatencyError: If operators cannot be timed on that engine.
        UnavailableError: If the device or what the engine needs is missing.
    """
    check_engine(engine)
    if engine != ONNXRUNTIME:
        return [_time_repeated(operator, placement, engine) for operator in operators]
    parts = [operators[i : i + _AT_ONCE] for i in range(0, len(operators), _AT_ONCE)]
    return [time for part in parts for time in _profile(part, placement)]


def check_engine(engine: str) -> None:
    """Refuses an engine whose operators cannot be timed.

    Raises:
        LatencyError: With those whose can.
    """
    if not create_engine(engine).predictable:
        known = ", ".join(predictable_engines())
        raise LatencyError(
            f"latencies of the engine {engine} cannot be predicted, since it makes networks of its "
            f"own of what it is given: measure them, or predict those of {known}."
        )


def _profile(operators: Sequence[Operator], placement: Placement) -> list[OperatorTime]:
    """The median over a few orders: where its maps come to lie changes the time of an operator.

    So does a machine that is busy for some seconds.
    """
    rng = random.Random(0)
    found: list[list[OperatorTime]] = [[] for _ in operators]
    for _ in range(_ORDERS):
        order = rng.sample(range(len(operators)), len(operators))
        times = _profile_once([operators[place] for place in order], placement)
        for place, time in zip(order, times, strict=True):
            found[place].append(time)
    return [
        OperatorTime(statistics.median(one.microseconds for one in times), times[0].nodes)
        for times in found
    ]


def _profile_once(operators: Sequence[Operator], placement: Placement) -> list[OperatorTime]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "operators.onnx")
        _export(OperatorNetwork(operators), path)
        nodes = profile_onnx(path, placement, _RUNS)
    named = {i: owner for i, node in enumerate(nodes) if (owner := _owner(node)) is not None}
    microseconds, counts = [0.0] * len(operators), [0] * len(operators)
    for i, owner in owners(nodes, named).items():
        microseconds[int(owner)] += nodes[i].microseconds
        counts[int(owner)] += 1
    return [OperatorTime(*pair) for pair in zip(microseconds, counts, strict=True)]


def _export(network: OperatorNetwork, path: Path) -> None:
    images = tuple(torch.zeros(shape) for shape in network.input_shapes)
    network.eval().requires_grad_(False)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network, images, path, dynamo=False, do_constant_folding=False, opset_version=_OPSET
        )


def _owner(node: NodeTime) -> str | None:
    # Fused nodes are named after what they give.
    for name in (node.name, *node.outputs):
        match = _OWNER.search(name)
        if match:
            return match[1]
    return None


def _time_repeated(operator: Operator, placement: Placement, engine: str) -> OperatorTime:
    network = RepeatedOperator(operator, _TIMES)
    with (
        device_lock(placement.device),
        create_engine(engine).prepare(network, (1, 1, 1, 1), placement) as prepared,
    ):
        warm = [prepared.clock.time(prepared.run).ms for _ in range(5)]
        repeats = max(1, math.ceil(_SAMPLE_MS / max(min(warm), 1e-3)))
        times = [prepared.clock.time(prepared.run, repeats).ms for _ in range(_SAMPLES)]
    return OperatorTime(typical(times) * _MICROSECONDS_PER_MS / _TIMES, len(operator.calls))
