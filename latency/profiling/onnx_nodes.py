"""Where the time of an ONNX network goes, by the nodes that onnxruntime really runs."""

from __future__ import annotations

import json
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime

from latency.devices.device import Placement, device_lock
from latency.errors import LatencyError
from latency.onnx_files.sessions import (
    CPU,
    Provider,
    check_provider,
    cuda_provider,
    session_options,
)

RUNS = 40
_SUFFIX = "_kernel_time"
_PLAIN_TYPE = "tensor(float)"
_OF_LAYOUT = {"ReorderInput", "ReorderOutput", "Reshape", "Transpose"}
"""Kinds of nodes that onnxruntime adds around others when it changes the layout of a map."""


@dataclass(frozen=True)
class NodeTime:
    """One node of the graph that runs, after fusion and changes of layout.

    Attributes:
        name: Of the node.
        kind: Name of its operator.
        inputs: Names of the values that it reads.
        outputs: Names of the values that it gives.
        microseconds: Time that its kernel takes; on a GPU, to start it.
    """

    name: str
    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    microseconds: float

    @property
    def is_of_layout(self) -> bool:
        """Whether it may be one that onnxruntime added to change the layout of a map."""
        return self.kind in _OF_LAYOUT


def profile_onnx(path: Path, placement: Placement, runs: int = RUNS) -> list[NodeTime]:
    """Profiles an ONNX file whose inputs are float32 of fixed shapes.

    Args:
        path: The ONNX file.
        placement: Where and how it runs.
        runs: How often it runs.

    Returns:
        The nodes in the order of the graph; those of them that run.

    Raises:
        LatencyError: If an input is open or no float32.
        UnavailableError: If onnxruntime would run the network somewhere else.
    """
    with tempfile.TemporaryDirectory() as folder:
        graph = Path(folder, "graph.onnx")
        options = session_options(placement.threads)
        options.enable_profiling = True
        options.profile_file_prefix = str(Path(folder, "profile"))
        options.optimized_model_filepath = str(graph)
        provider = _provider(placement)
        session = onnxruntime.InferenceSession(
            str(path), options, providers=[(provider.name, dict(provider.options))]
        )
        check_provider(session.get_providers()[0], provider.name, placement.device)
        images = {
            entry.name: np.full(_fixed_shape(entry, path), 0.5, dtype=np.float32)
            for entry in session.get_inputs()
        }
        with device_lock(placement.device):
            for _ in range(runs):
                session.run(None, images)
        times = _kernel_times(Path(session.end_profiling()))
        nodes = onnx.load(graph, load_external_data=False).graph.node
    return [
        NodeTime(
            name=node.name,
            kind=node.op_type,
            inputs=tuple(node.input),
            outputs=tuple(node.output),
            microseconds=typical(times[node.name]),
        )
        for node in nodes
        if node.name in times
    ]


def typical(times: Sequence[float]) -> float:
    """The mean of the fastest fifth of some times, without the fastest twentieth.

    Whatever disturbs a run makes it slower, and a busy machine disturbs most. A mean, because
    profiles round single times to whole microseconds.
    """
    ordered = np.sort(np.asarray(times, dtype=float))
    first = len(ordered) // 20
    return float(ordered[first : max(len(ordered) // 5, first + 1)].mean())


def owners(nodes: Sequence[NodeTime], named: Mapping[int, str]) -> dict[int, str]:
    """To whom every node belongs.

    A node that changes a layout belongs to its neighbour, for it is there because of it: where
    several owners meet, to the one that is no convolution, which would do without.

    Args:
        nodes: Of one graph.
        named: Owners that are known, by position of the node.

    Returns:
        Owners by position; nodes that belong to nobody are left out.
    """
    owned = dict(named)
    neighbours = _neighbours(nodes)
    loose = {i for i, node in enumerate(nodes) if node.is_of_layout} - owned.keys()
    while loose:
        found = {}
        for i in loose:
            near = [j for j in neighbours[i] if j in owned]
            if near:
                found[i] = owned[min(near, key=lambda j: (nodes[j].kind == "Conv", j))]
        if not found:
            break
        owned |= found
        loose -= found.keys()
    return owned


def _neighbours(nodes: Sequence[NodeTime]) -> list[set[int]]:
    makers = {value: i for i, node in enumerate(nodes) for value in node.outputs}
    neighbours: list[set[int]] = [set() for _ in nodes]
    for i, node in enumerate(nodes):
        for value in node.inputs:
            if value in makers:
                neighbours[i].add(makers[value])
                neighbours[makers[value]].add(i)
    return neighbours


def _provider(placement: Placement) -> Provider:
    return Provider(CPU) if placement.device.kind == "cpu" else cuda_provider(placement.device)


def _fixed_shape(entry: onnxruntime.NodeArg, path: Path) -> list[int]:
    shape: list[int] = entry.shape
    if entry.type != _PLAIN_TYPE or not all(isinstance(size, int) for size in shape):
        raise LatencyError(
            f"{path}: input {entry.name!r} is no float32 of fixed shape: export it with one."
        )
    return shape


def _kernel_times(profile: Path) -> Mapping[str, list[float]]:
    times: dict[str, list[float]] = defaultdict(list)
    for event in json.loads(profile.read_text()):
        if event.get("cat") == "Node" and event["name"].endswith(_SUFFIX):
            times[event["name"].removesuffix(_SUFFIX)].append(event["dur"])
    return times
