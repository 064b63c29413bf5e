"""``nas export``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nas.cli.export_options import DynamicBatch, Int8, Int8Images, Opset, export_options
from nas.cli.sentences import latency_sentences
from nas.cli.values import assignments
from nas.errors import UserError
from nas.terminal import say

if TYPE_CHECKING:
    from nas.deployment.onnx_export import ExportOptions

_ONNX = ".onnx"
_OPSET = 18


def export(
    network: Annotated[
        Path,
        typer.Argument(help="File or folder made by nas retrain, train, distill or mutual."),
    ],
    path: Annotated[
        str | None,
        typer.Option(help="Path across the networks of nas mutual, such as resnet18/resnet34."),
    ] = None,
    anytime: Annotated[
        bool,
        typer.Option(
            "--anytime",
            help="All paths of nas mutual in one file with early exits, for nas.anytime.",
        ),
    ] = False,
    budget: Annotated[
        str | None, typer.Option(help="With --anytime: default time for an image, such as 5ms.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "--output",
            help="The ONNX file, or that of --anytime; default: beside the weights.",
        ),
    ] = None,
    opset: Opset = _OPSET,
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
    if anytime or budget is not None:
        of_onnx = path is not None or dynamic_batch or int8 or int8_images is not None
        _check_anytime(anytime, of_onnx or opset != _OPSET, task is not None or bool(settings))
        _export_anytime(network, out, budget, data, device)
        return
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
    from nas.mutual_learning.trained import best_path, load_task, read_config

    found = best_path(run, name)
    named = found.path.with_name(name.replace("/", "-") + found.path.suffix)
    target = out or default_path(named, options)
    task = load_task(read_config(run)) if options.int8 else None
    with latency_sentences():
        record = write(found, target, options, task, device)
    _show(target, record)


def _check_anytime(anytime: bool, of_onnx: bool, of_task: bool) -> None:
    if not anytime:
        raise UserError("--budget belongs to --anytime; give both.")
    if of_onnx:
        raise UserError("--anytime writes no ONNX; leave --path and the options of ONNX out.")
    if of_task:
        raise UserError("--task and --set are not for --anytime, whose run tells its task.")


def _export_anytime(
    run: Path, out: Path | None, budget: str | None, data: Path | None, device: str
) -> None:
    milliseconds = _milliseconds(budget) if budget is not None else None
    target = out or run / "anytime.safetensors"
    if target.suffix != ".safetensors":
        raise UserError(f"--out {target}: the name has to end in .safetensors.")

    from nas.mutual_learning.anytime_making import make_anytime
    from nas.report.mutual import exits_table
    from nas.terminal import plain_console

    found = make_anytime(run, device, str(data) if data else None)
    found.save(target, milliseconds)
    plain_console().print(exits_table(found))
    chosen = found.plan(milliseconds) if milliseconds is not None else None
    if chosen is not None:
        say(f"within {milliseconds:g} ms: {found.name(chosen.path)}")
    say(f"anytime: {target}")


def _milliseconds(budget: str) -> float:
    try:
        found = float(budget.strip().removesuffix("ms"))
    except ValueError:
        found = 0.0
    if not 0 < found < float("inf"):
        raise UserError(f"--budget {budget}: give milliseconds above 0, such as 5ms.")
    return found


def _show(path: Path, record: dict[str, Any]) -> None:
    from nas.report.retraining import export_table, int8_table, remarks
    from nas.terminal import plain_console

    console = plain_console()
    console.print(export_table(record))
    if "int8" in record:
        console.print(int8_table(str(record["network"]), record))
    for sentence in remarks(record):
        say(sentence)
    say(f"onnx: {path}")
    if "int8" in record:
        say(f"int8: {path.with_name(record['int8']['file'])}")
