"""Scores the trained networks of a run on a split."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nas.tasks
from nas.errors import UserError
from nas.experiments.config import read_experiment
from nas.experiments.run import mean_and_spread
from nas.files import finite_only, write_json
from nas.kinds.network_file import FILE, describe, load_described, require_fitting
from nas.kinds.registry import kind_of
from nas.kinds.teacher import seed_folders
from nas.tasks import AntiSpoofingTask, Task
from nas.training.device import resolve_device
from nas.training.views import ViewsName


@dataclass(frozen=True)
class RunEvaluation:
    """Figures of the networks of a run on a split.

    Attributes:
        split: Which.
        seeds: Seed of each network.
        figures: Values by views (none, flip, ten_crop) and figure, one for each seed; also by
            what was missing, for example ``without depth, ir``.
    """

    split: str
    seeds: tuple[int, ...]
    figures: dict[str, dict[str, list[float]]]

    def to_record(self) -> dict[str, Any]:
        """A JSON-serialisable form, with means and sample standard deviations."""
        record: dict[str, Any] = {"split": self.split, "seeds": list(self.seeds)}
        for views, figures in self.figures.items():
            record[views] = {}
            for key, values in figures.items():
                mean, spread = mean_and_spread(values)
                record[views][key] = {"mean": mean, "std": spread, "values": values}
        return record


def evaluate_run(
    run: Path,
    split: str,
    views: tuple[ViewsName | None, ...] = ("none",),
    device: str = "auto",
    data: str | None = None,
    missing: Sequence[Sequence[str]] = (),
    on_network: Callable[[str], None] = lambda name: None,
) -> RunEvaluation:
    """Scores every network of a run.

    Args:
        run: Folder of ``nas train`` or ``nas distill``.
        split: train, validation or test.
        views: Without and with which test-time augmentation; None is the most thorough one that
            the kind of the task has.
        device: auto, cpu or cuda:N.
        data: Folder of the images, if they have moved.
        missing: Inputs that are taken away from every face, for a row of its own each.
        on_network: Told which network comes next.

    Raises:
        UserError: If the folder holds no such run, there is no such split, or an input cannot be
            taken away.
    """
    config, folders = read_experiment(run), seed_folders(run)
    task = nas.tasks.load(config.task, data or config.data, **config.task_options)
    task.dataset(split)
    kind, where = kind_of(task), resolve_device(device)
    chosen: list[ViewsName] = [name or kind.views[-1] for name in views]
    unknown = [name for name in chosen if name not in ("none", *kind.views)]
    if unknown:
        raise UserError(
            f"views {unknown[0]!r}: a {task.kind} task has none such; choose one of "
            f"{', '.join(kind.views)}."
        )
    rows: list[tuple[str, Task, ViewsName]] = [(name, task, name) for name in chosen]
    rows += [(f"without {', '.join(names)}", _without(task, names), "none") for names in missing]
    figures: dict[str, dict[str, list[float]]] = {
        row: {key: [] for key in kind.figures} for row, _, _ in rows
    }
    for folder in folders:
        on_network(folder.name)
        description = describe(folder)
        require_fitting(description, task, folder)
        network = load_described(folder / FILE, description).to(where)
        for row, shown, name in rows:
            card = kind.score(network, shown, split, where, name)
            for key in kind.figures:
                figures[row][key].append(card.figures[key])
    seeds = tuple(int(folder.name.removeprefix("seed-")) for folder in folders)
    evaluation = RunEvaluation(split, seeds, figures)
    write_json(run / f"evaluation-{split}.json", finite_only(evaluation.to_record()))
    return evaluation


def _without(task: Task, names: Sequence[str]) -> Task:
    if not isinstance(task, AntiSpoofingTask):
        raise UserError(
            f"missing: a {task.kind} task has no inputs that can be missing; leave --missing out."
        )
    return task.without(names)
