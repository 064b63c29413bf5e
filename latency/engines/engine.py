"""What an engine is: something that runs a network on a device."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from torch import nn

from latency.devices.device import Placement
from latency.engines.clocks import Clock, Run
from latency.errors import LatencyError
from latency.exporting.export import export_onnx

Source = nn.Module | Path
"""A network, or the ONNX file of one."""


@dataclass(frozen=True)
class Prepared:
    """A network that is ready to run.

    Attributes:
        run: Runs it once and returns when the device is done.
        clock: What such a run is timed with.
        provider: What runs it, in the words of the library that does.
    """

    run: Run
    clock: Clock
    provider: str


class Engine(Protocol):
    """Runs networks on a device."""

    name: str
    """How a user names it."""
    takes_onnx: bool
    """Whether it runs ONNX files; otherwise it runs networks of PyTorch."""
    predictable: bool
    """Whether it runs a network operator by operator, so that latencies can be predicted; not for
    other engines of ONNX files than onnxruntime."""
    on_cpu: str
    """Name of the engine that stands in for it on a CPU."""
    reference: str
    """Name of the engine that runs the reference network beside it."""

    def prepare(
        self, source: Source, input_shape: Sequence[int], placement: Placement
    ) -> AbstractContextManager[Prepared]:
        """Makes a network ready to run, and frees what that took at the end of the context.

        Args:
            source: What the engine takes, a network of PyTorch or an ONNX file.
            input_shape: Shape N, C, H, W of the input.
            placement: Where and how it runs.

        Raises:
            UnavailableError: If the device or a library is missing, or something else would run.
            LatencyError: If the engine cannot run the network.
        """


def noise_image(input_shape: Sequence[int], dtype: np.typing.DTypeLike = "float32") -> np.ndarray:
    """An input, float32 or uint8: noise, as a GPU may draw less power and run faster on zeros."""
    generator = np.random.default_rng(0)
    if np.dtype(dtype) == np.uint8:
        return generator.integers(0, 256, tuple(input_shape), dtype=np.uint8)
    return generator.standard_normal(tuple(input_shape), dtype=np.float32)


def network_of(source: Source, engine: str) -> nn.Module:
    """The source as a network of PyTorch.

    Raises:
        LatencyError: If it is an ONNX file.
    """
    if isinstance(source, nn.Module):
        return source
    raise LatencyError(
        f"{source}: the engine {engine} runs networks of PyTorch; use onnxruntime for an ONNX file."
    )


@contextmanager
def source_for(engine: Engine, model: nn.Module, input_shape: Sequence[int]) -> Iterator[Source]:
    """The network itself, or an ONNX file of it that goes at the end of the context.

    Raises:
        ExportError: If it cannot be exported.
    """
    if not engine.takes_onnx:
        yield model
        return
    with tempfile.TemporaryDirectory() as folder:
        yield export_onnx(model, input_shape, Path(folder, "model.onnx"))
