"""PyTorch's own format, for servers in Python and for other people's converters."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from latency.errors import LatencyError
from latency.exporting.formats.format import Format, Opened, recorded


class TorchProgram(Format):
    """What `torch.export` makes: a graph of ATen operators that needs none of our code."""

    name = "torch.export"
    title = "torch.export"
    suffix = ".pt2"
    tested = "torch 2.13.0"

    def write(
        self, network: nn.Module, image: Tensor, path: Path, metadata: Mapping[str, str]
    ) -> None:
        with self.conversion(), torch.no_grad():
            program = torch.export.export(recorded(network, image), (image,))
            torch.export.save(program, path, extra_files=dict(metadata))

    def open(self, path: Path, threads: int = 1) -> Opened:
        # It would log a page before it raises.
        if not zipfile.is_zipfile(path):
            raise LatencyError(f"{path}: this is no file of torch.export.")
        program = torch.export.load(path)
        module = program.module()
        image = program.example_inputs[0][0]

        def run(images: np.ndarray) -> np.ndarray:
            with torch.inference_mode():
                logits: np.ndarray = module(torch.from_numpy(images)).numpy()
            return logits

        return Opened(run, tuple(image.shape), image.numpy().dtype)
