"""Where the time of a network goes, layer by layer."""

from __future__ import annotations

import re
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from torch import nn

from latency.devices.device import Placement
from latency.exporting.export import OUTPUT_NAME, export_onnx
from latency.onnx_files.sessions import open_session
from latency.profiling.onnx_nodes import NodeTime, owners, profile_onnx
from latency.tracing.forward_pass import Trace, trace_by_module
from latency.tracing.operators import Operator, operators_of

_STEP = re.compile(r"/([^#]*)#(\d+)(?:/|$)")
_OPERATOR = "operator "
_ADDED = "_token"
_ADDED_KINDS = {"ReorderInput", "ReorderOutput"}
_BLOCKED = "_nchwc"
_KINDS = 2
"""Kinds that are named where a module has several layers."""
_MICROSECONDS_PER_MS = 1000.0


@dataclass(frozen=True)
class LayerTime:
    """What a layer takes.

    Attributes:
        path: Of the module; "" for the network itself. In an ONNX file from elsewhere, the name of
            the node.
        kind: What it computes.
        macs: Multiply-accumulates; None where they are not known.
        ms: Milliseconds in one forward pass.
    """

    path: str
    kind: str
    macs: int | None
    ms: float


def measured_layers(
    model: nn.Module, input_shape: Sequence[int], placement: Placement
) -> list[LayerTime]:
    """Profiles a network with onnxruntime.

    A layer is what the runtime makes one operator of, such as a convolution with its batch norm
    and its activation, and is named after the module that comes first in it. Changes of layout
    belong to the layer that makes them necessary.

    Args:
        model: The whole deployed network; it is not changed.
        input_shape: Shape N, C, H, W of the input.
        placement: Where and how it runs.

    Returns:
        The layers in the order in which they run. On a GPU, their times are those of starting the
        kernels.

    Raises:
        ExportError: If the network cannot be exported.
        UnavailableError: If onnxruntime would run it somewhere else.
    """
    followed = trace_by_module(model, input_shape)
    with tempfile.TemporaryDirectory() as folder:
        path = export_onnx(model, input_shape, Path(folder, "model.onnx"))
        nodes = profile_onnx(path, placement)
    return _layers(nodes, _ByOperator(followed))


def measured_layers_of_onnx(path: Path, placement: Placement) -> list[LayerTime]:
    """Profiles an ONNX file; see `measured_layers`.

    The layers of a file that this package exported have the paths of its modules.

    Args:
        path: The ONNX file.
        placement: Where and how it runs.

    Raises:
        LatencyError: If the file is no network, or an input is open or no float32.
        UnavailableError: If onnxruntime would run it somewhere else.
    """
    # A session of its own says in a sentence what is wrong with the file.
    open_session(path, str(placement.device), placement.threads)
    return _layers(profile_onnx(path, placement), _ByName())


def predicted_layers(
    operators: Sequence[Operator], milliseconds: Sequence[float]
) -> list[LayerTime]:
    """The layers of a network that was not run.

    Args:
        operators: Of the network, followed by module.
        milliseconds: What each takes.
    """
    pairs = zip(operators, milliseconds, strict=True)
    return [LayerTime(one.path, one.kind, one.macs, ms) for one, ms in pairs]


def grouped(layers: Iterable[LayerTime], depth: int | None = None) -> list[LayerTime]:
    """Sums over modules.

    Args:
        layers: Of one network.
        depth: Parts of a path that tell modules apart, 1 for the network's own children; None for
            whole paths.

    Returns:
        One layer for each module, in the order in which they come first.
    """
    parts: dict[str, list[LayerTime]] = defaultdict(list)
    for layer in layers:
        parts[".".join(layer.path.split(".")[:depth])].append(layer)
    return [_summed(path, members) for path, members in parts.items()]


def scaled(layers: Iterable[LayerTime], total_ms: float) -> list[LayerTime]:
    """The same shares of another total: profiling takes time of its own.

    Args:
        layers: Of one network.
        total_ms: What they take together.
    """
    known = list(layers)
    whole = sum(layer.ms for layer in known)
    return [replace(layer, ms=layer.ms * total_ms / whole) for layer in known] if whole else known


def _summed(path: str, members: Sequence[LayerTime]) -> LayerTime:
    macs = [layer.macs for layer in members]
    known = [count for count in macs if count is not None]
    kinds = Counter(layer.kind for layer in members)
    names = [kind if number == 1 else f"{number} {kind}" for kind, number in kinds.items()]
    return LayerTime(
        path=path,
        kind=", ".join(names) if len(names) <= _KINDS else f"{len(members)} layers",
        macs=sum(known) if len(known) == len(macs) else None,
        ms=sum(layer.ms for layer in members),
    )


class _Labels(Protocol):
    """Tells the layers of a graph apart."""

    def label(self, node: NodeTime) -> str | None:
        """A text for the layer of a node, None for a node that the runtime added."""

    def layer(self, label: str, nodes: Sequence[NodeTime]) -> LayerTime:
        """The layer of that label, which these nodes make up."""


class _ByOperator:
    """Layers of a network that was followed: its operators.

    Args:
        followed: The network.
    """

    def __init__(self, followed: Trace) -> None:
        self._operators = operators_of(followed)
        numbers = {id(call): number for number, call in enumerate(followed.calls)}
        self._places = {
            (call.path, numbers[id(call)]): place
            for place, operator in enumerate(self._operators)
            for call in operator.calls
        }

    def label(self, node: NodeTime) -> str | None:
        """See `_Labels.label`."""
        step = _step(node)
        if step is not None:
            place = self._places.get(step)
            return step[0] if place is None else f"{_OPERATOR}{place}"
        # The last operator is named after the output of the network.
        return (
            f"{_OPERATOR}{len(self._operators) - 1}" if node.name.startswith(OUTPUT_NAME) else None
        )

    def layer(self, label: str, nodes: Sequence[NodeTime]) -> LayerTime:
        """See `_Labels.layer`."""
        if not label.startswith(_OPERATOR):
            return _plain_layer(label, nodes)
        operator = self._operators[int(label.removeprefix(_OPERATOR))]
        return LayerTime(operator.path, operator.kind, operator.macs, _milliseconds(nodes))


class _ByName:
    """Layers of a file: the modules that it names, or else its nodes."""

    def label(self, node: NodeTime) -> str | None:
        """See `_Labels.label`."""
        step = _step(node)
        if step is not None:
            return step[0]
        added = _ADDED in node.name or node.name == node.kind or node.kind in _ADDED_KINDS
        return None if added else node.name.removesuffix(_BLOCKED)

    def layer(self, label: str, nodes: Sequence[NodeTime]) -> LayerTime:
        """See `_Labels.layer`."""
        return _plain_layer(label, nodes)


def _layers(nodes: Sequence[NodeTime], labels: _Labels) -> list[LayerTime]:
    named = {i: label for i, node in enumerate(nodes) if (label := labels.label(node)) is not None}
    owned = owners(nodes, named)
    members: dict[str, list[NodeTime]] = defaultdict(list)
    for i, node in enumerate(nodes):
        members[owned.get(i, node.name)].append(node)
    return [labels.layer(label, parts) for label, parts in members.items()]


def _plain_layer(path: str, nodes: Sequence[NodeTime]) -> LayerTime:
    kinds = dict.fromkeys(node.kind for node in nodes if not node.is_of_layout)
    return LayerTime(path, " ".join(kinds) or nodes[0].kind, None, _milliseconds(nodes))


def _milliseconds(nodes: Iterable[NodeTime]) -> float:
    return sum(node.microseconds for node in nodes) / _MICROSECONDS_PER_MS


def _step(node: NodeTime) -> tuple[str, int] | None:
    """Path of the module and number of the call that a node comes from; see `Recording`."""
    if node.kind in _ADDED_KINDS:
        # It has the name of a value that another node made.
        return None
    # Fused nodes are named after what they give.
    for name in (node.name, *node.outputs):
        match = _STEP.match(name)
        if match:
            return match[1].replace("/", "."), int(match[2])
    return None
