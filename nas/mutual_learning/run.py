"""Trains networks that learn from each other over several seeds, and tells of every path."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml

import latency
import nas.tasks
from nas import allowed
from nas.errors import UserError
from nas.experiments.folder import different_keys
from nas.files import write_json, write_text
from nas.kinds.teacher import METRICS
from nas.mutual_learning.alignment import align
from nas.mutual_learning.kinds import create_students, mutual_kind
from nas.mutual_learning.losses import all_paths
from nas.mutual_learning.networks_file import (
    FILE,
    save_students,
)
from nas.mutual_learning.path_study import fill_study, search_config
from nas.mutual_learning.scores import score_paths
from nas.mutual_learning.settings import MutualConfig
from nas.mutual_learning.statistics import measure_statistics
from nas.mutual_learning.students import Students
from nas.mutual_learning.trained import (
    CONFIG,
    MutualSummary,
    load_task,
    read_config,
    record_of,
    summary_of,
)
from nas.mutual_learning.training import train_students
from nas.searching.run_folder import RunFolder
from nas.tasks import Task
from nas.training.device import resolve_device
from nas.training.images import Normaliser
from nas.training.loop import naming_diverged
from nas.training.seeding import derive
from nas.training.trainer import EpochRecord, FitResult

LOG = "log.csv"
_CHECKPOINT = "checkpoint.pt"
OnEpoch = Callable[[str, EpochRecord, int], None]


def run_mutual(
    config: MutualConfig,
    folder: Path,
    *,
    task: Task | None = None,
    on_epoch: OnEpoch = lambda name, record, epochs: None,
    say: Callable[[str], None] = lambda sentence: None,
) -> MutualSummary:
    """Trains every seed that the folder lacks, and puts all paths into a study.

    A run that was cut off goes on from its last epoch, and more seeds can be asked for later. The
    folder is that of a search over the paths, whose evaluator looks the trained ones up, so that
    whatever reads searches reads it.

    Args:
        config: What is trained, and how.
        folder: New, or that of the same run.
        task: The one that the configuration names, if it is loaded already.
        on_epoch: Told (what is trained, the epoch, the number of epochs).
        say: Told what is worth knowing of the data.

    Raises:
        UserError: If the data or a setting is wrong, the folder is in use, or a training diverges.
    """
    device = resolve_device(config.device)
    loaded = task or load_task(config)
    if not isinstance(config, mutual_kind(loaded.kind).config):
        raise UserError(f"task {loaded.name!r} is one of {loaded.kind}, and the settings are not.")
    config = _with_statistics(config, folder)
    students = create_students(config, loaded, config.seed)
    nas.tasks.require_sound(loaded, say)
    _claim(folder, config, loaded)
    records = []
    for seed in range(config.seed, config.seed + config.seeds):
        training = _Training(config, loaded, device, seed, folder / f"seed-{seed}")
        records.append(training.finished() or training.train(on_epoch))
    costs = _costs(students, loaded, config.latency)
    summary = summary_of("validation", loaded, config, records, costs)
    write_json(folder / METRICS, record_of(summary))
    fill_study(folder, config, loaded, summary)
    return summary


@dataclass(frozen=True)
class _Training:
    """One seed of a run."""

    config: MutualConfig
    task: Task
    device: torch.device
    seed: int
    folder: Path

    def finished(self) -> dict[str, Any] | None:
        path = self.folder / METRICS
        if not (path.is_file() and (self.folder / FILE).is_file()):
            return None
        record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if record["data"] != self.task.fingerprint:
            raise UserError(
                f"{self.folder}: it was trained with other images; choose another folder."
            )
        return record

    def train(self, on_epoch: OnEpoch) -> dict[str, Any]:
        students = create_students(self.config, self.task, self.seed)
        matching = self._align(students)
        checkpoint = self.folder / _CHECKPOINT
        with naming_diverged(str(self.folder), "training.learning_rate", self.config.training):
            result = train_students(
                students,
                self.config,
                self.task,
                self.device,
                derive(self.seed, "mutual"),
                checkpoint,
                lambda record: on_epoch(self.folder.name, record, record.planned),
            )
        if self.config.statistics == "own":
            measure_statistics(students, self.config, self.task, self.device)
        scores = score_paths(students, self.task, "validation", self.device)
        record = {
            "seed": self.seed,
            "data": self.task.fingerprint,
            "epoch": result.best.epoch + 1,
            "matching": matching,
            "paths": scores.paths,
            "ensembles": scores.ensembles,
        }
        write_text(self.folder / LOG, _log(result))
        write_json(self.folder / METRICS, record)
        # The result comes last: a folder that holds it is finished.
        kind = mutual_kind(self.task.kind)
        description = kind.description(students, self.config, self.task)
        save_students(students, description, self.folder / FILE)
        checkpoint.unlink()
        return record

    def _align(self, students: Students) -> dict[str, list[tuple[int, ...]]]:
        settings = self.config.matching
        if settings is None:
            return {}
        images = self.task.dataset("train").images[: settings.images]
        normalise = Normaliser(self.task.mean, self.task.std)
        return align(students.to(self.device), normalise(images, self.device), settings)


def _claim(folder: Path, config: MutualConfig, task: Task) -> None:
    """Makes the folder of a run, or finds that it is this run's."""
    path = folder / CONFIG
    # Whoever trains has named what is in the settings.
    allowed.allow(allowed.code_in(config.identity()))
    search = search_config(folder, config, task)
    if not path.is_file():
        RunFolder.create(folder, search)
    elif _has_begun(folder):
        # Older runs saved relative paths; validated, they are what this configuration has.
        different = different_keys(read_config(folder).identity(), config.identity())
        if different:
            raise UserError(
                f"{folder}: it holds a run of other settings ({different}); choose another folder."
            )
        return
    else:
        # Where nothing is trained yet, the last attempt failed, and its settings may be corrected.
        RunFolder.open(folder).save_config(search)
    write_text(path, yaml.safe_dump(config.identity(), sort_keys=False))


def _with_statistics(config: MutualConfig, folder: Path) -> MutualConfig:
    """Says which statistics a run uses, where that is left to the method or to older seeds."""
    if _has_begun(folder):
        found = read_config(folder).statistics
        # Runs of older versions, whose statistics are common, do not say so.
        is_open = config.statistics is None or (config.statistics == "common" and found is None)
    else:
        found = "own" if config.method == "xml" else "common"
        is_open = config.statistics is None
    return config.model_copy(update={"statistics": found}) if is_open else config


def _has_begun(folder: Path) -> bool:
    return (folder / CONFIG).is_file() and any(folder.glob("seed-*"))


def _costs(students: Students, task: Task, device: str | None) -> dict[str, dict[str, float]]:
    students = students.cpu().eval()
    found = {}
    for path in all_paths(len(students), students.parts):
        network = students.network(path)
        counts = latency.count(network, task.input_shape)
        costs = {
            "params": float(counts.parameters),
            "macs": float(counts.macs),
            "flops": float(counts.flops),
        }
        if device is not None:
            measured = latency.measure(network, task.input_shape, device)
            costs[_latency(device)] = measured.median_ms
        found[students.name(path)] = costs
    return found


def _latency(device: str) -> str:
    return f"latency_ms_{device.replace(':', '')}"


def _log(result: FitResult) -> str:
    keys = list(dict.fromkeys(key for record in result.history for key in record.scores))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["epoch", *keys, "best"])
    for record in result.history:
        values = [record.scores.get(key, "") for key in keys]
        writer.writerow([record.epoch + 1, *values, int(record.best)])
    return text.getvalue()
