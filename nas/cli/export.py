"""``nas export``."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nas.cli.export_options import (
    DynamicBatch,
    Int8,
    Int8Images,
    Opset,
    Preprocess,
    To,
    Tolerance,
    export_options,
    format_options,
)
from nas.cli.sentences import latency_sentences
from nas.cli.values import assignments
from nas.errors import UserError
from nas.terminal import say

if TYPE_CHECKING:
    from nas.deployment.delivery import Delivery, WrittenOnnx
    from nas.deployment.formats import FormatOptions
    from nas.deployment.onnx_export import ExportOptions
    from nas.deployment.qat import FineTuning
    from nas.deployment.trained_network import TrainedNetwork
    from nas.mutual_learning.trained import PathNetwork
    from nas.tasks import Task

_ONNX = ".onnx"
_OPSET = 18
_TRAINING = "training."
"""Begins a key of --set that belongs to the fine-tuning."""


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
            help="The file, or for several formats their folder; default: beside the weights.",
        ),
    ] = None,
    to: To = None,
    preprocess: Preprocess = None,
    tolerance: Tolerance = None,
    opset: Opset = _OPSET,
    dynamic_batch: DynamicBatch = False,
    int8: Int8 = False,
    int8_images: Int8Images = None,
    qat: Annotated[
        bool,
        typer.Option(
            "--qat", help="With --int8: fine-tune the int8 version (quantisation-aware training)."
        ),
    ] = False,
    epochs: Annotated[
        int | None, typer.Option(help="With --qat: passes over the training images; default: 8.")
    ] = None,
    task: Annotated[
        str | None, typer.Option(help="The network's task, where no file records it.")
    ] = None,
    data: Annotated[Path | None, typer.Option(help="Folder of the images, if they moved.")] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="KEY=VALUE for the task, for example size=64, or with --qat for the fine-tuning, "
            "for example training.learning_rate=1e-4.",
        ),
    ] = None,
    seed: Annotated[
        int, typer.Option(help="Random seed of the int8 calibration images and of --qat.")
    ] = 0,
    device: Annotated[
        str,
        typer.Option(help="Device for scoring the float32 network and --qat: auto, cpu or cuda:N."),
    ] = "auto",
) -> None:
    """Export a trained network to ONNX and other formats, compare the files, measure them."""
    assigned = assignments(settings or ())
    tuning = _tuning(qat, int8, epochs, assigned, seed)
    if tuning is not None and (path is not None or anytime):
        raise UserError("--qat is not for the networks of nas mutual; leave it out.")
    if anytime or budget is not None:
        of_onnx = path is not None or dynamic_batch or int8 or int8_images is not None
        of_onnx = of_onnx or any(value is not None for value in (to, preprocess, tolerance))
        _check_anytime(anytime, of_onnx or opset != _OPSET, task is not None or bool(settings))
        _export_anytime(network, out, budget, data, device)
        return
    options = export_options(opset, dynamic_batch, int8, int8_images, seed)
    formats = format_options(to, preprocess, tolerance, options)
    if network.suffix == _ONNX:
        raise UserError(f"{network}: this is an ONNX file already; give the folder of the network.")

    from nas.deployment.delivery import task_if_known
    from nas.deployment.trained_network import (
        NamedTask,
        file_of,
        is_self_contained,
        task_of_training,
        trained_network,
    )

    named = NamedTask(task, data, assigned)
    is_named = named != NamedTask(options={})
    if path is not None:
        if is_named:
            raise UserError(
                "--task, --data and --set are not for --path, whose run tells its task."
            )
        _export_path(network, path, out, options, formats, device)
        return
    weights = file_of(network)
    needed = int8 or is_named or not is_self_contained(weights)
    images = task_of_training(weights, named) if needed else None
    trained = trained_network(weights, images)
    images = images or task_if_known(trained)
    _export(trained, weights, out, options, formats, images, device, tuning)


def _tuning(
    qat: bool, int8: bool, epochs: int | None, assigned: dict[str, Any], seed: int
) -> FineTuning | None:
    """The fine-tuning that was typed; its settings are taken out of all that were assigned."""
    changes = {
        key.removeprefix(_TRAINING): assigned.pop(key)
        for key in [key for key in assigned if key.startswith(_TRAINING)]
    }
    if qat and not int8:
        raise UserError("--qat belongs to --int8; give both.")
    if not qat:
        if epochs is not None or changes:
            raise UserError("--epochs and --set training.KEY=VALUE belong to --qat; give that too.")
        return None
    if epochs is not None:
        if "epochs" in changes:
            raise UserError("--epochs and --set training.epochs are the same; give one.")
        changes["epochs"] = epochs

    from nas.deployment.qat import FineTuning

    return FineTuning(changes, seed)


def _export_path(
    run: Path,
    name: str,
    out: Path | None,
    options: ExportOptions,
    formats: FormatOptions,
    device: str,
) -> None:
    from nas.mutual_learning.trained import best_path, load_task, read_config

    found = best_path(run, name)
    named = found.path.with_name(name.replace("/", "-") + found.path.suffix)
    _export(found, named, out, options, formats, load_task(read_config(run)), device)


def _export(
    trained: TrainedNetwork | PathNetwork,
    place: Path,
    out: Path | None,
    options: ExportOptions,
    formats: FormatOptions,
    task: Task | None,
    device: str,
    tuning: FineTuning | None = None,
) -> None:
    from nas.deployment.delivery import WrittenOnnx, deliver, targets
    from nas.deployment.export import default_path
    from nas.deployment.export import export as write
    from nas.deployment.formats import ONNX
    from nas.report.progress import EpochProgress

    paths, onnx = targets(place, formats, out), None
    if ONNX in paths and formats.layout is None:
        target = paths[ONNX] if out is not None else default_path(place, options)
        with latency_sentences(), EpochProgress() as progress:
            record = write(trained, target, options, task, device, tuning, progress.show)
        onnx = WrittenOnnx(target, record)
        _show(onnx)
    found = deliver(
        trained,
        paths,
        formats,
        task,
        onnx=onnx,
        command=shlex.join(["nas", *sys.argv[1:]]),
        on_format=lambda title: say(f"{title} …"),
    )
    _show_files(found)


def _check_anytime(anytime: bool, of_onnx: bool, of_task: bool) -> None:
    if not anytime:
        raise UserError("--budget belongs to --anytime; give both.")
    if of_onnx:
        raise UserError("--anytime writes no ONNX; leave --path and the options of formats out.")
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


def _show(onnx: WrittenOnnx) -> None:
    from nas.report.retraining import export_table, int8_table, remarks
    from nas.terminal import plain_console

    console, record = plain_console(), onnx.record
    console.print(export_table(record))
    if "int8" in record:
        console.print(int8_table(str(record["network"]), record))
    for sentence in remarks(record):
        say(sentence)


def _show_files(found: Delivery) -> None:
    from nas.report.exports import exports_table
    from nas.terminal import plain_console

    exported = found.exported
    if exported.files:
        plain_console().print(exports_table(exported.files.values()))
    unchecked = (facts["unchecked"] for facts in exported.files.values() if "unchecked" in facts)
    for sentence in (*exported.notes, *unchecked):
        say(sentence)
    if found.card is not None:
        say(f"card: {found.card}")
    for path, facts in exported.files.items():
        say(f"{facts['format']}: {path}")
    if not exported.failures:
        return
    reasons = list(exported.failures.values())
    for sentence in reasons[:-1]:
        say(sentence)
    raise UserError(reasons[-1])
