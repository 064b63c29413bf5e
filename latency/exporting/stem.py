"""ONNX files of networks that begin alike."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import onnx
import torch
from onnx import compose
from torch import Tensor, nn

from latency.exporting.export import (
    INPUT_NAME,
    OPSET,
    OUTPUT_NAME,
    export_onnx,
    onnx_inputs,
    trace_onnx,
)
from latency.exporting.recording import IMAGE, RecordedCall, Recording, Slot, slots_of
from latency.exporting.simplifying import fold
from latency.network import InputShape, check_input_shape, on_cpu

_PREFIX = "stem/"


class StemExporter:
    """Exports networks that begin with the same module, which is traced only once.

    A search measures many decoders behind one encoder, and tracing that takes as long as tracing
    the rest. The files are those of `export_onnx`, up to the names of what flows in them. A stem
    that has changed, or that is followed at other places than before, is traced again.

    Args:
        stem: The module; it is a part of every network, itself and not a copy.
    """

    def __init__(self, stem: nn.Module) -> None:
        self._stem = stem
        self._traced: _TracedStem | None = None

    def __call__(self, model: nn.Module, input_shape: Sequence[int], path: Path | str) -> Path:
        """Writes a network to an ONNX file; see `export_onnx`.

        Args:
            model: The whole deployed network; it is not changed. One that does not begin with the
                stem is exported as a whole.
            input_shape: Shape N, C, H, W of the input, which the file is fixed to.
            path: Where the file goes; missing folders are made.

        Returns:
            The path.

        Raises:
            ExportError: If an operation of the network cannot be exported.
            LatencyError: If the shape is not four positive integers.
        """
        shape = check_input_shape(input_shape)
        parts = self._parts(model, shape)
        if parts is None:
            return export_onnx(model, shape, path)
        stem = self._stem_for(parts, shape)
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as folder:
            traced, joined, folded = (Path(folder, name) for name in ("traced", "joined", "folded"))
            inputs = tuple(stem.values[slot] for slot in parts.between)
            names = [_name(slot) for slot in parts.between]
            rest = Recording(parts.rest, parts.output, parts.between)
            trace_onnx(rest, inputs, traced, OPSET, names, (OUTPUT_NAME,))
            onnx.save(_joined(stem.model, onnx.load(traced)), joined)
            fold(joined, folded, onnx_inputs(shape))
            folded.replace(target)
        return target

    def _parts(self, model: nn.Module, shape: InputShape) -> _Parts | None:
        """What the network does, up to the end of the stem and after it; None without a stem."""
        named = model.named_modules()
        place = next((name for name, module in named if module is self._stem), "")
        if not place:
            return None
        recording = Recording.of(on_cpu(model), torch.zeros(shape))
        within = [f"{call.path}.".startswith(f"{place}.") for call in recording.calls]
        end = within.index(False) if False in within else 0
        stem, rest = recording.calls[:end], recording.calls[end:]
        made = {slot for call in stem for slot in call.results} | {IMAGE}
        followed = {*slots_of([(call.args, call.kwargs) for call in rest])} & made
        ends_within = any(slot in made for slot in slots_of(recording.output))
        if not (followed - {IMAGE}) or any(within[end:]) or ends_within:
            return None
        between = tuple(sorted(followed, key=lambda slot: slot.index))
        return _Parts(stem, rest, between, recording.output)

    def _stem_for(self, parts: _Parts, shape: InputShape) -> _TracedStem:
        known, state = self._traced, (shape, len(parts.stem), *_state(self._stem))
        followed = set(parts.between)
        if known is not None and known.state == state:
            if followed <= known.values.keys():
                return known
            # Each of the few places where a stem is left is met once.
            followed |= known.values.keys()
        self._traced = _TracedStem.of(parts.stem, followed - {IMAGE}, shape, state)
        return self._traced


@dataclass(frozen=True)
class _Parts:
    stem: tuple[RecordedCall, ...]
    rest: tuple[RecordedCall, ...]
    between: tuple[Slot, ...]
    output: Slot | Tensor | tuple[Slot, ...]


@dataclass(frozen=True)
class _TracedStem:
    """A stem as ONNX, and the tensors that it gives, for the recording of what follows."""

    state: tuple[object, ...]
    model: onnx.ModelProto
    values: dict[Slot, Tensor]

    @classmethod
    def of(
        cls,
        calls: tuple[RecordedCall, ...],
        followed: set[Slot],
        shape: InputShape,
        state: tuple[object, ...],
    ) -> _TracedStem:
        slots = tuple(sorted(followed, key=lambda slot: slot.index))
        recording, image = Recording(calls, slots), torch.zeros(shape)
        with torch.no_grad():
            values = dict(zip(slots, recording(image), strict=True)) | {IMAGE: image}
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "stem.onnx")
            trace_onnx(recording, (image,), path, OPSET, (INPUT_NAME,), [_name(s) for s in slots])
            traced = onnx.load(path)
        # Both parts number their tensors from 1. Their nodes have different names already.
        keep = {"rename_nodes": False, "rename_inputs": False, "rename_outputs": False}
        return cls(state, compose.add_prefix(traced, _PREFIX, **keep), values)


def _joined(stem: onnx.ModelProto, rest: onnx.ModelProto) -> onnx.ModelProto:
    """The two as one, without the nodes of the stem that lead nowhere.

    Runtimes compute those, and `onnx.compose` takes no input that both have.
    """
    used = {value.name for value in rest.graph.input}
    nodes: list[onnx.NodeProto] = []
    for node in reversed(stem.graph.node):
        if used.intersection(node.output):
            used.update(_read(node))
            nodes.append(node)
    whole = onnx.ModelProto()
    whole.CopyFrom(rest)
    del whole.graph.node[:], whole.graph.input[:]
    whole.graph.node.extend([*reversed(nodes), *rest.graph.node])
    whole.graph.input.extend(stem.graph.input)
    weights = (weight for weight in stem.graph.initializer if weight.name in used)
    whole.graph.initializer.extend(weights)
    return whole


def _read(node: onnx.NodeProto) -> Iterator[str]:
    """What a node reads, the graphs within it included."""
    yield from node.input
    for attribute in node.attribute:
        for inner in attribute.g.node:
            yield from _read(inner)


def _name(slot: Slot) -> str:
    return INPUT_NAME if slot == IMAGE else f"{_PREFIX}{slot.index}"


def _state(module: nn.Module) -> tuple[object, ...]:
    """Changes when the module is trained or moved."""
    tensors = [*module.parameters(), *module.buffers()]
    return tuple((tensor.data_ptr(), tensor._version) for tensor in tensors)
