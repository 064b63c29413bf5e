"""ExecuTorch, PyTorch's runtime for phones and small devices."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from latency.errors import LatencyError
from latency.exporting.formats.format import Format, Opened, recorded


class ExecuTorch(Format):
    """A program whose operators are XNNPACK's where that has them, in float32."""

    name = "executorch"
    title = "ExecuTorch"
    suffix = ".pte"
    extra = "executorch"
    packages = ("executorch",)
    tested = "executorch 1.5.1 with torch 2.13.0"
    engine = "executorch"

    def write(
        self, network: nn.Module, image: Tensor, path: Path, metadata: Mapping[str, str]
    ) -> None:
        with self.imports():
            from executorch.backends.xnnpack.partition.xnnpack_partitioner import (
                XnnpackPartitioner,
            )
            from executorch.exir import to_edge_transform_and_lower
        with self.conversion(), torch.no_grad():
            program = torch.export.export(recorded(network, image), (image,))
            lowered = to_edge_transform_and_lower(program, partitioner=[XnnpackPartitioner()])
            path.write_bytes(lowered.to_executorch().buffer)

    def open(self, path: Path, threads: int = 1) -> Opened:
        with self.imports():
            from executorch.extension.pybindings.portable_lib import _unsafe_reset_threadpool
            from executorch.runtime import Runtime
        if not path.is_file():
            raise LatencyError(f"{path}: no such file.")
        # One pool serves all programs of the process; none runs while another is opened.
        _unsafe_reset_threadpool(threads)
        try:
            method = Runtime.get().load_program(path).load_method("forward")
        except RuntimeError as error:
            raise LatencyError(f"{path}: ExecuTorch cannot load it.") from error
        taken = method.metadata.input_tensor_meta(0)
        dtype = np.dtype("uint8" if taken.dtype() == _UINT8 else "float32")

        def run(images: np.ndarray) -> np.ndarray:
            logits: np.ndarray = method.execute([torch.from_numpy(images)])[0].numpy().copy()
            return logits

        return Opened(run, tuple(taken.sizes()), dtype)


_UINT8 = 0
"""The number of the type in ExecuTorch's schema."""
