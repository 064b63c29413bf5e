"""Core ML, for Apple's devices."""

from __future__ import annotations

import contextlib
import io
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from latency.errors import ExportError, UnavailableError
from latency.exporting.formats.format import INPUT_NAME, OUTPUT_NAME, Format, Opened, recorded
from latency.exporting.preprocessing import Preprocessed

_MAC = "Darwin"


class CoreMl(Format):
    """An ML program in float32, for iOS 16, macOS 13 and later; a package, which is a folder.

    It is converted on any system, and runs on macOS alone. With preprocessing it takes an image of
    Core ML (``CVPixelBuffer``) instead of an array, whatever the layout.
    """

    name = "coreml"
    title = "Core ML"
    suffix = ".mlpackage"
    extra = "coreml"
    packages = ("coremltools",)
    tested = "coremltools 9.0 with torch 2.13.0"
    absent_runtime = None if platform.system() == _MAC else "Core ML runs on macOS alone"

    def write(
        self, network: nn.Module, image: Tensor, path: Path, metadata: Mapping[str, str]
    ) -> None:
        coremltools = self._library()
        taken: Any
        if isinstance(network, Preprocessed):
            image = (image.permute(0, 3, 1, 2) if network.layout == "nhwc" else image).float()
            network = network.of_planes()
            colours = {1: coremltools.colorlayout.GRAYSCALE, 3: coremltools.colorlayout.RGB}
            if image.shape[1] not in colours:
                raise ExportError(
                    f"images of Core ML have 1 or 3 channels, not {image.shape[1]}; leave the "
                    "preprocessing out of the graph."
                )
            taken = coremltools.ImageType(
                name=INPUT_NAME, shape=tuple(image.shape), color_layout=colours[image.shape[1]]
            )
        else:
            taken = coremltools.TensorType(name=INPUT_NAME, shape=tuple(image.shape))
        with self.conversion(), torch.no_grad():
            # It shows several bars of progress.
            with contextlib.redirect_stderr(io.StringIO()):
                traced = torch.jit.trace(recorded(network, image), (image,), check_trace=False)
                model = coremltools.convert(
                    traced,
                    inputs=[taken],
                    outputs=[coremltools.TensorType(name=OUTPUT_NAME)],
                    convert_to="mlprogram",
                    compute_precision=coremltools.precision.FLOAT32,
                    minimum_deployment_target=coremltools.target.iOS16,
                )
            model.user_defined_metadata.update(metadata)
            model.save(str(path))

    def open(self, path: Path, threads: int = 1) -> Opened:
        if self.absent_runtime is not None:
            raise UnavailableError(f"{path}: {self.absent_runtime}.")
        model = self._library().models.MLModel(str(path))
        taken = model.get_spec().description.input[0].type
        if taken.WhichOneof("Type") == "imageType":
            from PIL import Image

            size = taken.imageType
            number, shape = "uint8", (1, size.height, size.width, 3)

            def given(images: np.ndarray) -> Any:
                # The layout of an array is that of the preprocessing.
                pixels = images[0] if images.shape[-1] in (1, 3) else images[0].transpose(1, 2, 0)
                return Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
        else:
            number, shape = "float32", tuple(taken.multiArrayType.shape)

            def given(images: np.ndarray) -> Any:
                return images

        def run(images: np.ndarray) -> np.ndarray:
            logits: np.ndarray = model.predict({INPUT_NAME: given(images)})[OUTPUT_NAME]
            return logits

        return Opened(run, shape, np.dtype(number))

    def _library(self) -> Any:
        with self.imports():
            import coremltools
        return coremltools
