"""Options of exporting that several commands have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from nas.errors import UserError

if TYPE_CHECKING:
    from nas.deployment.onnx_export import ExportOptions

Opset = Annotated[int, typer.Option(help="Opset of the ONNX file.")]
DynamicBatch = Annotated[bool, typer.Option("--dynamic-batch", help="Allow any batch size.")]
Int8 = Annotated[
    bool, typer.Option("--int8", help="Also write an int8 version and compare its scores.")
]
Int8Images = Annotated[
    int | None, typer.Option(help="Number of training images for int8 calibration; default: 64.")
]


def export_options(
    opset: int, dynamic_batch: bool, int8: bool, int8_images: int | None, seed: int
) -> ExportOptions:
    """What was typed, checked.

    Raises:
        UserError: If a value is wrong, or images are given without int8.
    """
    from nas.deployment.int8 import CALIBRATION_IMAGES, Int8Options
    from nas.deployment.onnx_export import ExportOptions

    if int8_images is not None and not int8:
        raise UserError("--int8-images belongs to --int8; give both.")
    images = CALIBRATION_IMAGES if int8_images is None else int8_images
    return ExportOptions(opset, dynamic_batch, Int8Options(images, seed) if int8 else None)
