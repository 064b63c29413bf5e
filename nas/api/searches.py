"""Searches: started, opened again, and their candidates retrained."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.api.arguments import (
    Config,
    address,
    given,
    module_name,
    penalty_settings,
    space_options,
    task_name,
    teacher_run,
)
from nas.api.execution import run_search
from nas.api.results import Retrained, Run, TrainedRun

if TYPE_CHECKING:
    from torch import nn

    from nas.tasks import Task
    from search_spaces import SearchSpace


def search(
    task: str | Path | Task | None = None,
    *,
    run: str | Path | None = None,
    space: str | SearchSpace | type | None = None,
    controller: str | type | None = None,
    penalties: Mapping[str, float] | Iterable[str] | None = None,
    limits: Mapping[str, float] | None = None,
    trials: int | None = None,
    finalists: int | None = None,
    teacher: str | Path | nn.Module | TrainedRun | bool | None = None,
    encoder: str | nn.Module | None = None,
    workers: int | None = None,
    seed: int | None = None,
    device: str | None = None,
    config: Config | None = None,
    resume: bool = False,
    progress: bool = True,
) -> Run:
    """Searches small networks for a task; every candidate is kept in a study.

    Args:
        task: A built-in task, a folder of images, a YAML file, an import path, or a task of
            `nas.tasks`, such as `nas.tasks.from_datasets` makes.
        run: Run folder to create; ``runs/TASK-DATE-TIME`` unless given.
        space: A search space by its name or import path, or as an object or class; that of the
            kind of the task unless given, ``small`` for masks and ``nasbench201`` for classes.
        controller: What draws candidates: a name, an import path or a class.
        penalties: Costs that lower the reward: exponents by cost, or just their names.
        limits: Largest values of costs by name; candidates beyond them are not trained.
        trials: Number of candidates to finish.
        finalists: Best candidates of the front to train in full at the end; `Run.retrain` takes
            the best of them. None unless given.
        teacher: A run of `train`, a network file, or any module that gives the task's logits;
            False searches without a teacher.
        encoder: Backbone of segmentation candidates: a timm name, an import path, or a module with
            the attributes ``channels`` and ``strides`` that gives one map for each stride.
        workers: Local worker processes; 1 works in this process.
        seed: Random seed of the whole search.
        device: auto, cpu or cuda:N.
        config: Any further setting.
        resume: Continue the search in `run` after whatever ended it.
        progress: Whether to print progress.

    Returns:
        The run.

    Raises:
        UserError: If something is wrong with what was given; one sentence says what.
        SearchError: If the number of trials asked for cannot be reached.

    Examples:
        >>> run = nas.search("digits", space="nasbench201", trials=2, teacher=False, seed=1,
        ...                  run=folder / "search", config=tiny, progress=False)
        >>> len(run.trials())
        2
    """
    options = given(
        {
            "task": task_name(task),
            **space_options(space),
            "controller.name": address("nas.controllers", controller),
            "reward.penalties": penalty_settings(penalties),
            "limits": dict(limits) if limits is not None else None,
            "trials": trials,
            "finalists.count": finalists,
            **(
                {"evaluation.distillation.enabled": teacher}
                if isinstance(teacher, bool)
                else {"evaluation.teacher.run": teacher_run(teacher)}
            ),
            "evaluation.encoder.name": module_name(encoder, "encoder"),
            "workers": workers,
            "seed": seed,
            "device": device,
        }
    )
    folder = run_search(
        options, run=Path(run) if run else None, config=config, resume=resume, progress=progress
    )
    return Run(folder)


def open(run: str | Path, *, task: Task | None = None) -> Run:
    """Opens the run of an earlier search, from any folder and while it is running.

    Args:
        run: The run folder.
        task: The task of a search that was given one as an object, where images are needed again.

    Raises:
        UserError: If there is no such run.

    Examples:
        >>> nas.open(folder / "search").path.name
        'search'
    """
    from nas.searching.run_folder import RunFolder

    if task is not None:
        task_name(task)
    return Run(RunFolder.open(Path(run)).path)


def retrain(run: str | Path | Run, which: str | int = "best", **options: Any) -> Retrained:
    """Trains one candidate of a search in full; see `Run.retrain`.

    Examples:
        >>> network = nas.retrain(folder / "search", epochs=1, progress=False)
        >>> sorted(network.metrics["costs"])
        ['flops', 'latency', 'macs', 'params']
    """
    opened = run if isinstance(run, Run) else open(run)
    return opened.retrain(which, **options)
