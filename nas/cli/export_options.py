"""Options of exporting that several commands have."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from nas.errors import UserError

if TYPE_CHECKING:
    from nas.deployment.formats import FormatOptions
    from nas.deployment.onnx_export import ExportOptions

Opset = Annotated[int, typer.Option(help="Opset of the ONNX file.")]
DynamicBatch = Annotated[bool, typer.Option("--dynamic-batch", help="Allow any batch size.")]
To = Annotated[
    list[str] | None,
    typer.Option(
        "--to",
        help="Format: onnx (default), torch.export, openvino, litert, coreml, executorch, or the "
        "import path of one's own; may be repeated.",
    ),
]
Preprocess = Annotated[
    str | None,
    typer.Option(
        help="Build the normalisation into the graph, which then takes uint8 images, red first: "
        "nhwc or nchw."
    ),
]
Tolerance = Annotated[
    float | None,
    typer.Option(
        help="Largest difference to PyTorch's outputs as a share of the largest output; "
        "default: 0.001."
    ),
]
Int8 = Annotated[
    bool, typer.Option("--int8", help="Also write an int8 version and compare its scores.")
]
Int8Images = Annotated[
    int | None, typer.Option(help="Number of training images for int8 calibration; default: 64.")
]


def format_options(
    to: list[str] | None, preprocess: str | None, tolerance: float | None, options: ExportOptions
) -> FormatOptions:
    """The formats that were typed, checked with what ONNX alone has.

    Raises:
        UserError: If a value is wrong, or an option belongs to another format.
    """
    from nas.deployment.formats import ONNX, FormatOptions
    from nas.deployment.onnx_export import DEFAULT_OPSET

    names = tuple(to or (ONNX,))
    found = FormatOptions(names, preprocess, opset=options.opset)
    if tolerance is not None:
        found = replace(found, tolerance=tolerance)
    if ONNX not in names:
        given = {
            "--opset": options.opset != DEFAULT_OPSET,
            "--dynamic-batch": options.dynamic_batch,
            "--int8": options.int8 is not None,
        }
        for option, is_given in given.items():
            if is_given:
                raise UserError(f"{option} is for ONNX alone; add --to onnx or leave it out.")
    if preprocess is not None and (options.dynamic_batch or options.int8 is not None):
        raise UserError("--preprocess goes with neither --dynamic-batch nor --int8; leave one out.")
    return found


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
