"""What the engines share that run a format on the CPU."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import nn

from latency.devices.device import Placement
from latency.engines.clocks import cpu_clock
from latency.engines.engine import Prepared, Source, noise_image
from latency.errors import LatencyError, UnavailableError
from latency.exporting.formats import create_format


class FormatEngine:
    """Runs what a format makes of a network, or a file of that format, on the CPU.

    Attributes:
        name: Of the engine and of its format.
    """

    name: str
    takes_onnx = False
    predictable = False
    reference = "torch"

    @contextmanager
    def prepare(
        self, source: Source, input_shape: Sequence[int], placement: Placement
    ) -> Iterator[Prepared]:
        """Converts a network, which takes seconds, and loads the file."""
        if placement.device.kind != "cpu":
            raise UnavailableError(f"the engine {self.name} runs on the CPU only: use device cpu.")
        kind = create_format(self.name)
        with tempfile.TemporaryDirectory() as folder:
            path = source
            if isinstance(source, nn.Module):
                path = Path(folder, f"model{kind.suffix}")
                kind.write(source, torch.zeros(tuple(input_shape)), path, {})
            assert isinstance(path, Path)
            self._check(path, kind.suffix)
            opened = kind.open(path, placement.threads)
            image = noise_image(input_shape, opened.dtype)
            yield Prepared(
                run=lambda: opened.run(image), clock=cpu_clock(placement), provider=kind.title
            )

    def _check(self, path: Path, suffix: str) -> None:
        if path.suffix != suffix and not (self.takes_onnx and path.suffix == ".onnx"):
            raise LatencyError(
                f"{path}: the engine {self.name} runs networks of PyTorch and {suffix} files; use "
                "onnxruntime or openvino for an ONNX file."
            )
