"""Scores the trained networks of a run on a split."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from torch import nn

import nas.tasks
from nas.errors import UserError
from nas.experiments.config import ExperimentConfig, read_experiment
from nas.experiments.run import mean_and_spread
from nas.files import finite_only, write_json
from nas.kinds.kind import AnyKind
from nas.kinds.network_file import FILE, describe, load_described, require_fitting
from nas.kinds.registry import kind_of
from nas.kinds.teacher import seed_folders
from nas.tasks import AntiSpoofingTask, Task
from nas.training.device import resolve_device
from nas.training.scoring import ScoreCard
from nas.training.views import ViewsName

OWN_SIZE = "own size"
"""Among the figures of an evaluation: those against masks at their own size."""


@dataclass(frozen=True)
class RunEvaluation:
    """Figures of the networks of a run on a split.

    Attributes:
        split: Which.
        seeds: Seed of each network.
        figures: Values by row and figure, one for each seed. A row is named after its views (none,
            flip, ten_crop), what was missing (``without depth, ir``) or the checkpoint (``best by
            acer``); ``own size`` is against masks as they are stored, where networks take images of
            another size.
        intervals: 95 % intervals by row and figure, one for each seed; empty unless asked for.
        checkpoint: The rule that chose the epoch of the networks, as a clause; a row of another
            checkpoint has its rule in its name.
    """

    split: str
    seeds: tuple[int, ...]
    figures: dict[str, dict[str, list[float]]]
    intervals: dict[str, dict[str, list[tuple[float, float]]]] = field(default_factory=dict)
    checkpoint: str = ""

    def to_record(self) -> dict[str, Any]:
        """A JSON-serialisable form, with means and sample standard deviations."""
        record: dict[str, Any] = {
            "split": self.split,
            "seeds": list(self.seeds),
            "checkpoint": self.checkpoint,
        }
        for row, figures in self.figures.items():
            record[row] = {}
            for key, values in figures.items():
                mean, spread = mean_and_spread(values)
                record[row][key] = {"mean": mean, "std": spread, "values": values}
                if key in self.intervals.get(row, {}):
                    record[row][key]["interval"] = [list(i) for i in self.intervals[row][key]]
        return record


@dataclass(frozen=True)
class OtherData:
    """Data that networks were not trained on.

    Attributes:
        task: A built-in task, a folder, or a YAML file.
        data: Folder of the images, if it is not the one that the task gives.
        options: Options of the task; those of the training, where it is the same task.
    """

    task: str
    data: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


def evaluate_run(
    run: Path,
    split: str,
    views: tuple[ViewsName | None, ...] = ("none",),
    device: str = "auto",
    data: str | None = None,
    missing: Sequence[Sequence[str]] = (),
    on_network: Callable[[str], None] = lambda name: None,
    *,
    other: OtherData | None = None,
    best_by: Sequence[str] = (),
    intervals: bool = False,
) -> RunEvaluation:
    """Scores every network of a run.

    Args:
        run: Folder of ``nas train`` or ``nas distill``, or that of one of its seeds.
        split: train, validation or test.
        views: Without and with which test-time augmentation; None is the most thorough one that
            the kind of the task has.
        device: auto, cpu or cuda:N.
        data: Folder of the images, if they have moved.
        missing: Inputs that are taken away from every face, for a row of its own each.
        on_network: Told which network comes next.
        other: Data to score on in place of those of the training. Images are normalised as in the
            training, and thresholds come from its validation split.
        best_by: Monitors of the training, for a row each of the weights that were best by it.
        intervals: Whether to find intervals by the bootstrap.

    Raises:
        UserError: If the folder holds no such run, there is no such split, monitor or interval,
            an input cannot be taken away, or the networks cannot take the other data.
    """
    single = (run / FILE).is_file()
    config = read_experiment(run.parent if single else run)
    task = loaded_task(config, data, other)
    folders = [run] if single else seed_folders(run)
    found = score_networks(
        dict(zip(seeds_of(folders), folders, strict=True)),
        task,
        split,
        views,
        device,
        missing,
        on_network,
        best_by=best_by,
        intervals=intervals,
    )
    evaluation = replace(found, checkpoint=checkpoint_rule(config, kind_of(task)))
    name = f"evaluation-{split}" + (f"-on-{task.name}" if other else "")
    write_json(run / f"{name}.json", finite_only(evaluation.to_record()))
    return evaluation


def score_networks(
    networks: Mapping[int, Path],
    task: Task,
    split: str,
    views: tuple[ViewsName | None, ...] = ("none",),
    device: str = "auto",
    missing: Sequence[Sequence[str]] = (),
    on_network: Callable[[str], None] = lambda name: None,
    *,
    best_by: Sequence[str] = (),
    intervals: bool = False,
) -> RunEvaluation:
    """Scores networks on a split.

    Args:
        networks: Folder of each network by its seed.
        task: The data.
        split: As for `evaluate_run`, like all that are not named here.
        views: Without and with which test-time augmentation.
        device: auto, cpu or cuda:N.
        missing: Inputs that are taken away, for a row of its own each.
        on_network: Told which network comes next.
        best_by: Monitors of the training.
        intervals: Whether to find intervals by the bootstrap.

    Raises:
        UserError: See `evaluate_run`; also if a network was made for other data.
    """
    folders = list(networks.values())
    task.dataset(split)
    kind, where = kind_of(task), resolve_device(device)
    chosen: list[ViewsName] = [name or kind.views[-1] for name in views]
    unknown = [name for name in chosen if name not in ("none", *kind.views)]
    if unknown:
        raise UserError(
            f"views {unknown[0]!r}: a {task.kind} task has none such; choose one of "
            f"{', '.join(kind.views)}."
        )
    rows = [_Row(name, task, name) for name in chosen]
    rows += [_Row(f"without {', '.join(names)}", _without(task, names)) for names in missing]
    rows += [_Row(f"best by {name}", task, file=_kept(folders, name)) for name in best_by]
    found = Figures(kind, split)
    for folder in folders:
        on_network(folder.name)
        loaded: dict[str, nn.Module] = {}
        for row in rows:
            if row.file not in loaded:
                description = describe(folder / row.file)
                require_fitting(description, row.task, folder)
                loaded[row.file] = load_described(folder / row.file, description).to(where)
            card = kind.score(loaded[row.file], row.task, split, where, row.views)
            found.add(row.name, card, row.task if intervals else None)
        own = kind.score_at_own_size(loaded[FILE], task, split, where)
        if own is not None:
            found.add(OWN_SIZE, own)
    return RunEvaluation(split, tuple(networks), found.figures, found.intervals)


class Figures:
    """Gathers the figures of networks by row.

    Args:
        kind: Of the task.
        split: That they are scored on.
    """

    def __init__(self, kind: AnyKind, split: str) -> None:
        self._kind, self._split = kind, split
        self.figures: dict[str, dict[str, list[float]]] = {}
        self.intervals: dict[str, dict[str, list[tuple[float, float]]]] = {}

    def add(self, row: str, card: ScoreCard, bounded: Task | None = None) -> None:
        """Adds the scores of a network.

        Args:
            row: Where they belong.
            card: The scores.
            bounded: The data, if intervals are wanted.
        """
        found = self._kind.intervals(card, bounded, self._split) if bounded else {}
        for key in self._kind.figures:
            self.figures.setdefault(row, {}).setdefault(key, []).append(card.figures[key])
            if key in found:
                self.intervals.setdefault(row, {}).setdefault(key, []).append(found[key])


def loaded_task(
    config: ExperimentConfig, data: str | None = None, other: OtherData | None = None
) -> Task:
    """The data to score the networks of a run on.

    Args:
        config: Of the run.
        data: Folder of the images of the training, if they have moved.
        other: Other data, as the networks see them.

    Raises:
        UserError: If the data cannot be had, or are not for such networks.
    """
    place = config.task, config.data
    name, images = nas.tasks.moved(*place, data) if data is not None else place
    home = nas.tasks.load(name, images, **config.task_options)
    if other is None:
        return home
    same = nas.tasks.address(other.task) == config.task
    options = {**(config.task_options if same else {}), **other.options}
    task = nas.tasks.load(other.task, other.data, **options)
    if task.kind != home.kind:
        raise UserError(
            f"task {task.name!r} is one of {task.kind}, and the networks are for {home.kind}."
        )
    return kind_of(home).seen_from(task, home)


def checkpoint_rule(config: ExperimentConfig, kind: AnyKind) -> str:
    """How the epoch was chosen that the networks of a run come from, as a clause."""
    settings: Any = config.resolved_stages[-1].applied_to(config.training)
    rule = f"best {kind.monitors(settings)[0].name} on validation"
    burn_in = getattr(settings, "burn_in", 0)
    return f"{rule}, after {burn_in} epochs of burn-in" if burn_in else rule


def seeds_of(folders: Sequence[Path]) -> tuple[int, ...]:
    """The seeds of the folders of trainings."""
    return tuple(int(folder.name.removeprefix("seed-")) for folder in folders)


@dataclass(frozen=True)
class _Row:
    """What is scored: a network on some data with some views."""

    name: str
    task: Task
    views: ViewsName = "none"
    file: str = FILE


def _kept(folders: Sequence[Path], monitor: str) -> str:
    """The file of the weights that were best by a monitor."""
    name = f"model-{monitor}.safetensors"
    kept = {path.name for path in folders[0].glob("model-*.safetensors")}
    if name not in kept:
        monitors = ", ".join(sorted(path[6:-12] for path in kept)) or "one alone"
        raise UserError(
            f"best by {monitor}: the training did not keep such weights; its monitors are "
            f"{monitors}, and training.monitors chooses them."
        )
    return name


def _without(task: Task, names: Sequence[str]) -> Task:
    if not isinstance(task, AntiSpoofingTask):
        raise UserError(
            f"missing: a {task.kind} task has no inputs that can be missing; leave --missing out."
        )
    return task.without(names)
