"""Trains a network of any kind over several seeds into a folder."""

from __future__ import annotations

import csv
import io
import json
import statistics
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

import nas.tasks
from nas.errors import UserError
from nas.experiments.config import ExperimentConfig
from nas.experiments.folder import claim
from nas.experiments.gain import Comparison, find_alone
from nas.files import finite_only, write_json, write_text
from nas.kinds.kind import AnyKind, Teacher
from nas.kinds.network_file import FILE, NetworkDescription, save_network
from nas.kinds.registry import kind_of
from nas.kinds.teacher import METRICS, load_teacher
from nas.nested import flattened
from nas.tasks import Task
from nas.tracking.session import Tracking
from nas.tracking.session import check as check_trackers
from nas.training.device import resolve_device
from nas.training.loop import naming_diverged
from nas.training.seeding import derive, seeded
from nas.training.stage_settings import check_stages
from nas.training.stages import StageResult, StageTeacher, Subject, train_stages, try_stages
from nas.training.trainer import EpochRecord

LOG = "log.csv"
OnEpoch = Callable[[str, EpochRecord, int], None]


@dataclass(frozen=True)
class Summary:
    """What the trainings of a run came to.

    Attributes:
        seeds: Seed of each training.
        teacher: Figures of the teacher on the validation split; None without one, or where it
            knows other classes.
        validation: Figures on the validation split, one value for each seed.
        stages: The first of these figures by stage, one value for each seed.
    """

    seeds: tuple[int, ...]
    teacher: dict[str, float] | None
    validation: dict[str, list[float]]
    stages: dict[str, list[float]]


def run_experiment(
    config: ExperimentConfig,
    folder: Path,
    *,
    task: Task | None = None,
    on_epoch: OnEpoch,
    say: Callable[[str], None] = lambda sentence: None,
) -> Summary:
    """Trains every seed that the folder lacks.

    An interrupted run resumes from its last epoch, and more seeds can be asked for later.

    Args:
        config: What is trained, and how.
        folder: New, or that of the same run.
        task: The one that the configuration names, if it is loaded already.
        on_epoch: Told (what is trained, the epoch, the number of epochs).
        say: Told what is known before the training.

    Raises:
        UserError: If the data, the teacher or a setting is wrong, or the folder is in use.
    """
    device = resolve_device(config.device)
    task = task or nas.tasks.load(config.task, config.data, **config.task_options)
    kind = kind_of(task)
    check_stages(config.resolved_stages, config.teacher is not None)
    check_trackers(config.trackers or ())
    # A wrong name or option must not wait for the hub, the data or the teacher.
    network = kind.create(kind.without_hub(config.model), task)
    nas.tasks.require_sound(task, say)
    teacher = None
    if config.teacher is not None:
        teacher = load_teacher(config.teacher, task, device, config.teacher_model)
        teacher.require_comparable(loss for s in config.resolved_stages for loss in s.losses)
    subject = Subject(kind, network, task, config.training, device)
    try_stages(subject, config.resolved_stages, _stage_teacher(teacher))
    claim(folder, config)
    if teacher is not None:
        say(f"teacher {teacher.path}: {teacher.remark}")
    comparison = _comparison(folder, config, teacher, kind)
    if comparison is not None and comparison.expected:
        say(comparison.expected)
    records = []
    for seed in range(config.seed, config.seed + config.seeds):
        name = f"seed-{seed}"
        experiment = _Experiment(config, task, device, teacher, seed, folder / name)
        on_stage = _named(name, config, on_epoch)
        records.append(experiment.finished() or experiment.tracked(on_stage, say))
        experiment.tidy()
    summary = _summary(records, teacher, kind.figures)
    write_json(folder / METRICS, finite_only(_record(summary)))
    if comparison is not None:
        told = comparison.found(statistics.fmean(summary.validation[comparison.figure]))
        if told:
            say(told)
    return summary


def _comparison(
    folder: Path, config: ExperimentConfig, teacher: Teacher | None, kind: AnyKind
) -> Comparison | None:
    """The teacher beside the student; None where it has no figure for this task."""
    if teacher is None or teacher.card is None:
        return None
    figure = kind.figures[0]
    return Comparison(
        figure,
        kind.first_figure_is_an_error,
        teacher.card.figures[figure],
        find_alone(folder, config, figure),
    )


def _stage_teacher(teacher: Teacher | None) -> StageTeacher | None:
    if teacher is None:
        return None
    return StageTeacher(teacher.network, teacher.identity)


def _named(name: str, config: ExperimentConfig, on_epoch: OnEpoch) -> OnEpoch:
    """Tells of the epochs of a seed by its name, and by that of the stage if there are several."""
    many = len(config.resolved_stages) > 1
    return lambda stage, record, epochs: on_epoch(
        f"{name} {stage}" if many else name, record, epochs
    )


def mean_and_spread(values: list[float]) -> tuple[float, float | None]:
    """The mean and the sample standard deviation, which a single value does not have."""
    return statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else None


@dataclass(frozen=True)
class _Experiment:
    """One seed of a run."""

    config: ExperimentConfig
    task: Task
    device: torch.device
    teacher: Teacher | None
    seed: int
    folder: Path

    def finished(self) -> dict[str, Any] | None:
        path = self.folder / METRICS
        if not (path.is_file() and (self.folder / FILE).is_file()):
            return None
        record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        for key, what in (("data", "images"), ("taught_by", "teacher weights")):
            if record.get(key) != getattr(self, key):
                raise UserError(
                    f"{self.folder}: it was trained with other {what}; choose another folder."
                )
        return record

    @property
    def data(self) -> str:
        """Changes with the images and their labels."""
        return self.task.fingerprint

    @property
    def taught_by(self) -> str:
        """Changes with the teacher's weights."""
        teacher = _stage_teacher(self.teacher)
        return teacher.identity if teacher else ""

    def tidy(self) -> None:
        """Removes what only a training that was cut off needs."""
        for stage in self.config.resolved_stages:
            for path in self.folder.glob(f"{stage.name}.pt*"):
                path.unlink()

    def tracked(self, on_epoch: OnEpoch, say: Callable[[str], None]) -> dict[str, Any]:
        """Trains, and shows that in the trackers."""
        config, path = self.config, self.folder
        title = f"{path.parent.name}/{path.name}"
        values = flattened({**config.identity(), "seed": self.seed})
        with Tracking(config.trackers or (), title, path, values, say) as tracking:
            many = len(config.resolved_stages) > 1
            record = self.train(tracking.beside(on_epoch, many), say)
            figures = kind_of(self.task).figures
            tracking.finish({f"validation/{key}": record["validation"][key] for key in figures})
        return record

    def train(self, on_epoch: OnEpoch, say: Callable[[str], None]) -> dict[str, Any]:
        task = self.task
        kind = kind_of(task)
        with seeded(self.seed, "weights"):
            network = kind.create(self.config.model, task)
        training = self.config.training
        with naming_diverged(str(self.folder), "training.learning_rate", training):
            results = train_stages(
                Subject(kind, network, task, training, self.device),
                self.config.resolved_stages,
                seed=derive(self.seed, "stages"),
                folder=self.folder,
                teacher=_stage_teacher(self.teacher),
                on_epoch=on_epoch,
                say=lambda sentence: say(f"{self.folder.name}: {sentence}"),
            )
        write_text(self.folder / LOG, _log(results))
        record = self._record(network, results)
        write_json(self.folder / METRICS, record)
        self._save(network, results)
        return record

    def _record(self, network: nn.Module, results: list[StageResult]) -> dict[str, Any]:
        stages, kind = {}, kind_of(self.task)
        for result in results:
            network.load_state_dict(result.weights)
            card = kind.score(network.eval(), self.task, "validation", self.device)
            best = result.fit.best
            stages[result.name] = {
                "epoch": best.epoch + 1,
                "score": best.score,
                "scores": best.scores,
                "loss_weights": result.losses,
                "validation": {key: card.figures[key] for key in kind.figures},
            }
        record: dict[str, Any] = finite_only(
            {
                "seed": self.seed,
                "data": self.data,
                "taught_by": self.taught_by,
                "stages": stages,
                "validation": card.to_record(),
            }
        )
        return record

    def _save(self, network: nn.Module, results: list[StageResult]) -> None:
        model = kind_of(self.task).as_trained(self.config.model, self.task)
        description = NetworkDescription.of(model, self.task)
        *earlier, last = results
        files = {self.folder / "stages" / f"{r.name}.safetensors": r.weights for r in earlier}
        files |= {
            self.folder / f"model-{monitor}.safetensors": weights
            for monitor, weights in last.fit.weights.items()
            if len(last.fit.weights) > 1
        }
        # The result comes last: a folder that holds it is finished.
        files[self.folder / FILE] = last.weights
        for path, weights in files.items():
            network.load_state_dict(weights)
            save_network(network, description, path)


def _summary(
    records: Iterable[Mapping[str, Any]], teacher: Teacher | None, figures: tuple[str, ...]
) -> Summary:
    records = list(records)
    first, card = figures[0], teacher.card if teacher else None
    return Summary(
        seeds=tuple(record["seed"] for record in records),
        teacher={key: card.figures[key] for key in figures} if card else None,
        validation={key: [r["validation"][key] for r in records] for key in figures},
        stages={
            name: [r["stages"][name]["validation"][first] for r in records]
            for name in records[0]["stages"]
        },
    )


def _record(summary: Summary) -> dict[str, Any]:
    figures = {}
    for key, values in summary.validation.items():
        mean, spread = mean_and_spread(values)
        figures[key] = {"mean": mean, "std": spread, "values": values}
    return {
        "seeds": list(summary.seeds),
        "teacher": summary.teacher,
        "validation": figures,
        "stages": summary.stages,
    }


def _log(results: list[StageResult]) -> str:
    keys = list(dict.fromkeys(k for r in results for e in r.fit.history for k in e.scores))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["stage", "epoch", *keys, "best"])
    for result in results:
        for record in result.fit.history:
            values = [record.scores.get(key, "") for key in keys]
            writer.writerow([result.name, record.epoch + 1, *values, int(record.best)])
    return text.getvalue()
