"""``nas export``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nas.cli.export_options import DynamicBatch, Int8, Int8Images, Opset, export_options
from nas.cli.sentences import latency_sentences
from nas.cli.values import assignments
from nas.errors import UserError

if TYPE_CHECKING:
    from nas.deployment.onnx_export import ExportOptions

_ONNX = ".onnx"


def export(
    network: Annotated[
        Path,
        typer.Argument(help="File or folder made by nas retrain, train, distill or mutual."),
    ],
    path: Annotated[
        str | None,
        typer.Option(help="Path across the networks of nas mutual, such as resnet18/resnet34."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="The ONNX file; default: beside the weights.")
    ] = None,
    opset: Opset = 18,
    dynamic_batch: DynamicBatch = False,
    int8: Int8 = False,
    int8_images: Int8Images = None,
    task: Annotated[
        str | None, typer.Option(help="The network's task, where no file records it.")
    ] = None,
    data: Annotated[Path | None, typer.Option(help="Folder of the images, if they moved.")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="KEY=VALUE for the task, for example size=64.")
    ] = None,
    seed: Annotated[
        int, typer.Option(help="Random seed for choosing the int8 calibration images.")
    ] = 0,
    device: Annotated[
        str, typer.Option(help="Device for scoring the float32 network: auto, cpu or cuda:N.")
    ] = "auto",
) -> None:
    """Export a trained network to ONNX, and with --int8 to an int8 version as well."""
    if out is not None and out.suffix != _ONNX:
        raise UserError(f"--out {out}: the name has to end in {_ONNX}.")
    options = export_options(opset, dynamic_batch, int8, int8_images, seed)
    if network.suffix == _ONNX:
        raise UserError(f"{network}: this is an ONNX file already; give the folder of the network.")

    from nas.deployment.export import default_path
    from nas.deployment.export import export as write
    from nas.deployment.trained_network import (
        NamedTask,
        file_of,
        is_self_contained,
        task_of_training,
        trained_network,
    )

    named = NamedTask(task, data, assignments(settings or ()))
    if path is not None:
        if named != NamedTask(options={}):
            raise UserError(
                "--task, --data and --set are not for --path, whose run tells its task."
            )
        _export_path(network, path, out, options, device)
        return
    weights = file_of(network)
    if is_self_contained(weights) and not int8:
        if named != NamedTask(options={}):
            raise UserError("--task, --data and --set choose the images for --int8; give that too.")
        images = None
    else:
        images = task_of_training(weights, named)
    trained = trained_network(weights, images)
    with latency_sentences():
        record = write(trained, out or default_path(weights, options), options, images, device)
    _show(out or default_path(weights, options), record)


def _export_path(
    run: Path, name: str, out: Path | None, options: ExportOptions, device: str
) -> None:
    from nas.deployment.export import default_path
    from nas.deployment.export import export as write
    from nas.mutual_learning.run import best_path, load_task, read_config

    found = best_path(run, name)
    named = found.path.with_name(name.replace("/", "-") + found.path.suffix)
    target = out or default_path(named, options)
    task = load_task(read_config(run)) if options.int8 else None
    with latency_sentences():
        record = write(found, target, options, task, device)
    _show(target, record)


def _show(path: Path, record: dict[str, Any]) -> None:
    from rich.console import Console

    from nas.report.retraining import export_table, int8_table, remarks

    console = Console()
    console.print(export_table(record))
    if "int8" in record:
        console.print(int8_table(str(record["network"]), record))
    for sentence in remarks(record):
        print(sentence)
    print(f"onnx: {path}")
    if "int8" in record:
        print(f"int8: {path.with_name(record['int8']['file'])}")
