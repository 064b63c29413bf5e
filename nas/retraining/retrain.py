"""Trains a candidate fully, exports it, measures it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from torch import nn

import latency
from latency.measuring.latency import Latency
from nas.deployment.file_latency import device_latency
from nas.deployment.int8 import int8_version
from nas.deployment.onnx_export import ExportOptions, about, try_export, write_onnx
from nas.deployment.scores import scores_of
from nas.deployment.selection import Choice
from nas.deployment.trained_network import CHANGED_OPTIONS, TRAINED_ON
from nas.errors import UserError
from nas.files import write_json, write_text
from nas.kinds.ahead import Announce
from nas.kinds.network_file import FILE
from nas.models.face_networks import on_its_own
from nas.nested import flattened
from nas.retraining.options import RetrainOptions
from nas.retraining.trust import training_folder
from nas.searching.config import SearchConfig
from nas.searching.full_trainer import FullTrainer, OnEpoch
from nas.searching.full_training import Trained
from nas.searching.run_folder import RunFolder
from nas.tracking.session import FOLDER as TRACKERS
from nas.tracking.session import Tracking
from nas.tracking.session import check as check_trackers
from nas.training.device import resolve_device
from nas.training.loop import naming_diverged
from nas.training.seeding import derive
from search_spaces.genotype import Genotype

METRICS = "metrics.json"
ONNX = "model.onnx"


def retrain(
    run: RunFolder,
    config: SearchConfig,
    choice: Choice,
    options: RetrainOptions,
    on_epoch: OnEpoch = lambda stage, record, epochs: None,
    announce: Announce = lambda what, record, epochs: None,
    say: Callable[[str], None] = lambda sentence: None,
) -> dict[str, Any]:
    """Retrains one candidate into ``retrain/NAME`` of its run, or another folder.

    It learns from the train split, the best epoch is chosen on the validation split, and the
    test split is read once, at the end. An interrupted training resumes from its last epoch, and
    one that `nas.retraining.trust` has made with the same settings is taken over.

    Args:
        run: The run folder.
        config: Its configuration.
        choice: The candidate.
        options: How it is retrained.
        on_epoch: Told (name of the stage, the epoch, its number of epochs).
        announce: Told (what, epoch, epochs) where encoder or teacher must be trained again.
        say: Told what is measured before a stage.

    Returns:
        What ``metrics.json`` holds.

    Raises:
        UserError: If the folder holds a training with other settings or anything else, there is no
            teacher to learn from, or the device is absent.
    """
    check_trackers(options.trackers or config.trackers or ())
    folder = options.folder(run, choice)
    identity = _identity(choice, options)
    finished = _finished(folder, identity)
    if finished is not None:
        return finished
    _check_free(folder)
    trainer = FullTrainer.begin(run, config, options, announce)
    try_export(trainer.build(choice.genotype), trainer.task.input_shape, options.export)
    judged = training_folder(run, options.training.epochs, choice.name, options.seed)
    trained = trainer.kept(choice.genotype, judged)
    names = config.trackers or () if options.trackers is None else options.trackers
    title = f"{run.path.name}/{folder.name}"
    with Tracking(names, title, folder, flattened(options.settings()), say) as tracking:
        if trained is None:
            with naming_diverged(str(folder), "learning_rate", options.training):
                listen = tracking.beside(on_epoch, bool(options.stages))
                trained = trainer.train(choice.genotype, folder, listen, say)
        metrics = _shipped(trained, trainer, choice, options, folder, identity)
        tracking.finish(_final(metrics))
    trainer.forget(folder)
    return metrics


def _final(metrics: Mapping[str, Any]) -> dict[str, float]:
    """What trackers show at the end: quality on both splits, and the costs."""
    figures = {split: metrics[split]["quality"] for split in ("validation", "test")}
    figures = {f"{split}/quality": value for split, value in figures.items() if value is not None}
    return figures | {f"cost/{name}": value for name, value in metrics["costs"].items()}


def _shipped(
    trained: Trained,
    trainer: FullTrainer,
    choice: Choice,
    options: RetrainOptions,
    folder: Path,
    identity: str,
) -> dict[str, Any]:
    """Writes the files of a trained network, and returns what ``metrics.json`` holds."""
    trainer.save(trained, choice.genotype, folder / FILE)
    write_text(folder / "genotype.json", choice.genotype.to_json() + "\n")
    write_text(folder / "log.csv", _log(trained))
    metrics = {
        "identity": identity,
        "genotype": str(choice.genotype),
        "distillation": options.distill,
        "search_quality": choice.search_quality,
        **({CHANGED_OPTIONS: dict(options.task_options)} if options.task_options else {}),
        "epochs": trained.epochs,
        "first_epoch": 1,
        "best_epoch": trained.best_epoch,
        "loss_weights": trained.loss_weights,
        **_scores(trained.network, trainer),
        **_costs(trained.network, trainer, choice.genotype, folder, options),
    }
    if options.out is not None:
        # Nothing else tells what it was trained on.
        searched = trainer.config
        changed = {**searched.task_options, **options.task_options}
        metrics[TRAINED_ON] = {"name": searched.task, "data": searched.data, "options": changed}
    write_json(folder / METRICS, metrics)
    return metrics


def _scores(network: nn.Module, trainer: FullTrainer) -> dict[str, dict[str, Any]]:
    """Scores on the validation and the test split of a network or of what stands for it."""
    return scores_of(network.eval(), trainer.task, trainer.prepared.device, trainer.reward)


def _costs(
    network: nn.Module,
    trainer: FullTrainer,
    genotype: Genotype,
    folder: Path,
    options: RetrainOptions,
) -> dict[str, Any]:
    # What learned from more inputs than it takes is shipped without them.
    alone, channels = on_its_own(network.cpu().eval())
    path, (batch, count, height, width) = folder / ONNX, trainer.task.input_shape
    shape = (batch, count if channels is None else len(channels), height, width)
    counts = latency.count(alone, shape)
    # Limits were checked on the images of the search.
    limits = {} if options.task_options else trainer.config.limits
    metadata = about(trainer.describe(genotype), limits, channels)
    onnx = write_onnx(alone, shape, path, options.export, metadata)
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
        **_int8(path, trainer, measured, options.export, channels),
    }


def _int8(
    path: Path,
    trainer: FullTrainer,
    measured: Latency,
    options: ExportOptions,
    channels: tuple[int, ...] | None,
) -> dict[str, Any]:
    if options.int8 is None:
        return {}
    known = measured if measured.device.kind == "cpu" else None
    try:
        scores = partial(_scores, trainer=trainer)
        return {"int8": int8_version(path, trainer.task, options.int8, scores, known, channels)}
    except latency.ExportError as error:
        # No reason to lose the training and all other figures.
        return {"int8": {"failed": str(error)}}


def _identity(choice: Choice, options: RetrainOptions) -> str:
    settings = {**options.settings(), "opset": options.export.opset}
    # Folders that are older than these options keep their identity.
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
    if "first_epoch" not in metrics:
        # Older folders count epochs from 0.
        metrics |= {"first_epoch": 1, "best_epoch": metrics["best_epoch"] + 1}
    return metrics


def _check_free(folder: Path) -> None:
    """Refuses a folder of something else; an interrupted retraining has left its checkpoints.

    Raises:
        UserError: If there is something in it.
    """
    begun = (FILE, "genotype.json", "log.csv", ONNX, TRACKERS)
    if folder.is_file():
        raise UserError(f"{folder}: this is a file; name a folder.")
    others = [path for path in folder.glob("*") if path.suffix != ".pt" and path.name not in begun]
    if others:
        raise UserError(
            f"{folder}: it holds {others[0].name}, which is no retraining's; name a new folder."
        )


def _log(trained: Trained) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["stage", "epoch", "loss", "score", "best"])
    writer.writerows(trained.log)
    return text.getvalue()
