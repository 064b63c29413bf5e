"""Sweeps: one training with other values of some of its settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.api.arguments import (
    Config,
    given,
    module_name,
    split_config,
    task_name,
    task_of,
    teacher_run,
)
from nas.api.folders import default_run
from nas.api.progress import displays
from nas.api.results import TrainedRun
from nas.errors import UserError
from nas.results import Records
from nas.settings import overridden, read_values

if TYPE_CHECKING:
    from torch import nn

    from nas.sweeping.run import SweepSummary
    from nas.tasks import Task

Swept = Mapping[str, str | Sequence[Any]]
"""Values by dotted key: a sequence, a range ``first:last:step``, or the text of a YAML list."""


@dataclass(frozen=True)
class SweepRun:
    """The trainings of `sweep`.

    Attributes:
        path: The folder, with ``sweep.csv``, ``sweep.md``, ``plots/sweep.png`` and a run of
            `train` or `distill` for each point in ``points/``; `open` opens it as a search.
        summary: What the points came to on the validation split.
    """

    path: Path
    summary: SweepSummary

    def records(self) -> Records:
        """Every point with its settings and figures, the means over its seeds."""
        return Records(
            {
                **point.values,
                **{key: sum(found) / len(found) for key, found in point.validation.items()},
                **({"failure": point.failure} if not point.validation else {}),
            }
            for point in self.summary.points
        )


def sweep(
    task: str | Path | Task,
    model: str | nn.Module,
    settings: Swept,
    *,
    teacher: str | Path | nn.Module | TrainedRun | None = None,
    method: str | Sequence[Mapping[str, Any]] | None = None,
    run: str | Path | None = None,
    epochs: int | None = None,
    seeds: int | None = None,
    seed: int | None = None,
    workers: int = 1,
    device: str | None = None,
    config: Config | None = None,
    progress: bool = True,
) -> SweepRun:
    """Trains a network with every combination of the values of some settings.

    Args:
        task: As for `search`.
        model: As for `train`.
        settings: What is swept. Keys are those of the configuration, such as
            ``training.learning_rate``; those of a single loss are ``distill.weight``,
            ``distill.options.temperature`` and so on.
        teacher: As for `distill`; None trains with labels alone.
        method: As for `distill`.
        run: Folder; ``runs/MODEL-sweep`` unless given. A sweep that was cut off continues there.
        epochs: Passes over the training split.
        seeds: Number of trainings of each point.
        seed: Seed of the first of them.
        workers: Local processes, each of which trains one point at a time.
        device: auto, cpu or cuda:N.
        config: Any further setting.
        progress: Whether to print progress.

    Raises:
        UserError: If something is wrong with what was given; one sentence says what.

    Example:
        >>> found = nas.sweep("digits", "convnet_small", {"training.learning_rate": [0.01, 0.001]},
        ...                   epochs=1, run=folder / "sweep", progress=False,
        ...                   config={"task_options": {"size": 8}})
        >>> len(found.records())
        2
    """
    if method is not None and teacher is None:
        raise UserError("a method needs a teacher to learn from; give both or neither.")
    losses = [{"method": method}] if isinstance(method, str) else method
    options = {
        "task": task_name(task),
        "model.name": module_name(model, "model"),
        "teacher": teacher_run(teacher),
        "losses": None if losses is None else [dict(loss) for loss in losses],
        "training.epochs": epochs,
        "seeds": seeds,
        "seed": seed,
        "device": device,
    }
    name = model.rpartition(":")[2] if isinstance(model, str) else "network"
    folder = Path(run) if run else default_run(f"{name}-sweep")
    return run_sweep(
        given(options), settings, folder, workers=workers, config=config, progress=progress
    )


def run_sweep(
    options: Mapping[str, Any],
    settings: Swept,
    folder: Path,
    *,
    workers: int = 1,
    config: Config | None = None,
    progress: bool = True,
) -> SweepRun:
    """Runs a sweep of trainings whose settings are given by dotted key; see `sweep`."""
    from nas.experiments.config import with_default_losses
    from nas.report.sweeps import write_sweep
    from nas.sweeping.ranges import sweep_values
    from nas.sweeping.run import run_sweep as run_all

    path, values = split_config(config, options)
    merged = overridden(read_values(path), values)
    merged = with_default_losses(merged, task_of(merged).kind)
    swept = {key: sweep_values(key, given) for key, given in settings.items()}
    with displays(progress) as (epochs, look):
        summary = run_all(
            merged, swept, folder, workers=workers, on_epoch=epochs[0], say=epochs[1], look=look
        )
    write_sweep(summary, folder)
    return SweepRun(folder, summary)
