"""Trains a candidate fully, exports it, measures it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import nn

import latency
from latency.measuring.latency import Latency
from nas.errors import UserError
from nas.evaluation.ahead import Announce
from nas.files import write_json, write_text
from nas.models.weights import FILE
from nas.retraining.classification import ClassificationWork
from nas.retraining.file_latency import device_latency
from nas.retraining.int8 import int8_version
from nas.retraining.onnx_export import ExportOptions, try_export, write_onnx
from nas.retraining.options import Choice, RetrainOptions
from nas.retraining.segmentation import SegmentationWork
from nas.retraining.work import Work
from nas.search.config import SearchConfig
from nas.search.kinds import ClassificationSearchConfig, SegmentationSearchConfig
from nas.search.run_folder import RunFolder
from nas.training.device import resolve_device
from nas.training.seeding import derive
from nas.training.stages import StageResult, train_stages, try_stages
from nas.training.trainer import EpochRecord

METRICS = "metrics.json"
ONNX = "model.onnx"


def retrain(
    run: RunFolder,
    config: SearchConfig,
    choice: Choice,
    options: RetrainOptions,
    on_epoch: Callable[[str, EpochRecord, int], None] = lambda stage, record, epochs: None,
    announce: Announce = lambda what, record, epochs: None,
) -> dict[str, Any]:
    """Retrains one candidate into ``retrain/NAME`` of its run.

    It learns from the train split, the best epoch is chosen on the validation split, and the
    test split is read once, at the end. A training that was cut off goes on from its last epoch.

    Args:
        run: The run folder.
        config: Its configuration.
        choice: The candidate.
        options: How it is retrained.
        on_epoch: Told (name of the stage, the epoch, its number of epochs).
        announce: Told (what, epoch, epochs) where encoder or teacher must be trained again.

    Returns:
        What ``metrics.json`` holds.

    Raises:
        UserError: If the folder holds a training with other settings, there is no teacher to learn
            from, or the device is absent.
    """
    folder = options.folder(run, choice)
    identity = _identity(choice, options)
    finished = _finished(folder, identity)
    if finished is not None:
        return finished
    work = _work(run, config, options, announce)
    network = work.build(choice.genotype)
    # Refused before anything is spent on what comes before the stages.
    try_stages(work.subject(network), work.stages, work.teacher())
    try_export(network, work.input_shape, options.export)
    work.warm_up(network)
    results = train_stages(
        work.subject(network),
        work.stages,
        seed=options.seed,
        folder=folder,
        teacher=work.teacher(),
        on_epoch=on_epoch,
    )
    work.save(network, choice.genotype, folder)
    write_text(folder / "genotype.json", choice.genotype.to_json() + "\n")
    write_text(folder / "log.csv", _log(results))
    metrics = {
        "identity": identity,
        "genotype": str(choice.genotype),
        "distillation": options.distill,
        "search_quality": choice.search_quality,
        "epochs": sum(len(result.fit.history) for result in results),
        "best_epoch": best_epoch(results),
        **work.scores(network),
        **_costs(network, work, folder, options),
    }
    write_json(folder / METRICS, metrics)
    for result in results:
        (folder / f"{result.name}.pt").unlink(missing_ok=True)
    return metrics


def best_epoch(results: list[StageResult]) -> int:
    """The epoch that the network comes from, counted through all stages from 0."""
    *earlier, last = results
    return sum(len(result.fit.history) for result in earlier) + last.fit.best.epoch


def _work(
    run: RunFolder, config: SearchConfig, options: RetrainOptions, announce: Announce
) -> Work:
    if isinstance(config, SegmentationSearchConfig):
        return SegmentationWork(run, config, options, announce)
    if isinstance(config, ClassificationSearchConfig):
        return ClassificationWork(run, config, options, announce)
    raise UserError(f"{run.path}: it searched a table, which has no images to train on.")


def _costs(network: nn.Module, work: Work, folder: Path, options: RetrainOptions) -> dict[str, Any]:
    network.cpu().eval()
    shape, path = work.input_shape, folder / ONNX
    counts = latency.count(network, shape)
    onnx = write_onnx(network, shape, path, options.export)
    measured, notes = device_latency(path, shape, str(resolve_device(options.device)))
    return {
        "costs": {
            "params": counts.parameters,
            "macs": counts.macs,
            "flops": counts.flops,
            "latency": measured.median_ms,
        },
        "latency": measured.to_dict(),
        "notes": notes,
        "onnx": onnx,
        **_int8(path, work, measured, options.export),
    }


def _int8(path: Path, work: Work, measured: Latency, options: ExportOptions) -> dict[str, Any]:
    if options.int8 is None:
        return {}
    known = measured if measured.device.kind == "cpu" else None
    try:
        return {"int8": int8_version(path, work.task, options.int8, work.scores, known)}
    except latency.ExportError as error:
        # No reason to lose the training and all other figures.
        return {"int8": {"failed": str(error)}}


def _identity(choice: Choice, options: RetrainOptions) -> str:
    settings = {
        "training": options.training.model_dump(mode="json"),
        "distill": options.distill,
        "losses": [loss.model_dump(mode="json") for loss in options.losses],
        "stages": [stage.model_dump(mode="json") for stage in options.stages],
        "device": options.device,
        "seed": options.seed,
        "opset": options.export.opset,
    }
    # A folder of before these options were there keeps its identity.
    if options.export.dynamic_batch:
        settings["dynamic_batch"] = True
    if options.export.int8 is not None:
        settings["int8"] = asdict(options.export.int8)
    return f"{derive(choice.genotype.to_json(), json.dumps(settings, sort_keys=True)):016x}"


def _finished(folder: Path, identity: str) -> dict[str, Any] | None:
    path = folder / METRICS
    if not (path.exists() and (folder / FILE).exists()):
        return None
    metrics: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if metrics.get("identity") != identity:
        raise UserError(
            f"{folder}: it holds a retrained network of other settings; remove the folder or "
            "give the same settings (nas export writes other files of it)."
        )
    return metrics


def _log(results: list[StageResult]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["stage", "epoch", "loss", "score", "best"])
    for result in results:
        for record in result.fit.history:
            row = [result.name, record.epoch, record.loss, record.score, int(record.best)]
            writer.writerow(row)
    return text.getvalue()
