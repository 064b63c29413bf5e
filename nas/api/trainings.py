"""Trainings without a search: networks trained, distilled and evaluated over seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.api.arguments import (
    Config,
    given,
    length,
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
from nas.settings import overridden, read_values, validate

if TYPE_CHECKING:
    from torch import nn

    from nas.experiments.ensemble import EnsembleEvaluation
    from nas.experiments.evaluation import OtherData, RunEvaluation
    from nas.tasks import Task


def train(
    task: str | Path | Task,
    model: str | nn.Module,
    *,
    run: str | Path | None = None,
    weights: str | None = None,
    epochs: int | None = None,
    time: str | float | None = None,
    seeds: int | None = None,
    seed: int | None = None,
    device: str | None = None,
    config: Config | None = None,
    progress: bool = True,
) -> TrainedRun:
    """Trains a network, such as a teacher, over one or several seeds.

    Args:
        task: As for `search`.
        model: A timm network (for segmentation its backbone), an import path, or any module; every
            seed then starts from its weights.
        run: Folder for the networks; ``runs/MODEL`` unless given. A training that was cut off
            continues there.
        weights: imagenet, none or a file.
        epochs: Passes over the training split.
        time: What a training may take, for example ``2h``, or seconds, in place of `epochs`.
        seeds: Number of trainings, each with its own seed.
        seed: Seed of the first training.
        device: auto, cpu or cuda:N.
        config: Any further setting.
        progress: Whether to print progress.

    Raises:
        UserError: If something is wrong with what was given; one sentence says what.

    Examples:
        >>> teacher = nas.train("digits", "convnet_small", epochs=1, run=folder / "teacher",
        ...                     config={"task_options": {"size": 8}}, progress=False)
        >>> list(teacher.summary.validation)
        ['accuracy', 'mean_class_accuracy']
    """
    options = {
        "task": task_name(task),
        "model.name": module_name(model, "model"),
        "model.weights": weights,
        "seeds": seeds,
        "seed": seed,
        "device": device,
    }
    folder = Path(run) if run else default_run(_short(model))
    return run_experiment(
        given(options) | length(epochs, time), folder, config=config, progress=progress
    )


def distill(
    task: str | Path | Task,
    model: str | nn.Module,
    teacher: str | Path | nn.Module | TrainedRun,
    method: str | Sequence[Mapping[str, Any]] | None = None,
    *,
    weight: float | None = None,
    run: str | Path | None = None,
    weights: str | None = None,
    epochs: int | None = None,
    time: str | float | None = None,
    seeds: int | None = None,
    seed: int | None = None,
    device: str | None = None,
    config: Config | None = None,
    progress: bool = True,
) -> TrainedRun:
    """Trains a network to follow another one.

    Args:
        task: As for `search`.
        model: The student, as for `train`.
        teacher: A run of `train`, a network file, or any module that gives the task's logits.
        method: A loss by its name or import path, or several as the keys of `TermSettings`; unless
            given, ``dist`` for classes and ``soft_target`` for masks. Losses or stages in `config`
            take its place.
        weight: Of a single loss; unless given, the published one on logits and a measured one on
            features, see `nas.distillation.TermSettings`.
        run: Folder for the networks; ``runs/MODEL-METHOD`` unless given.
        weights: As for `train`.
        epochs: As for `train`.
        time: As for `train`.
        seeds: As for `train`.
        seed: As for `train`.
        device: As for `train`.
        config: Any further setting.
        progress: Whether to print progress.

    Raises:
        UserError: If something is wrong with what was given; one sentence says what.

    Examples:
        >>> student = nas.distill("digits", "convnet_small", folder / "teacher", "soft_target",
        ...                       epochs=1, run=folder / "student", progress=False,
        ...                       config={"task_options": {"size": 8}})
        >>> student.load().training
        False
    """
    losses: list[dict[str, Any]] | None
    if isinstance(method, str):
        losses = [given({"method": method, "weight": weight})]
    elif weight is not None:
        raise UserError("weight belongs to a method; give its name, or weights in the losses.")
    else:
        losses = None if method is None else [dict(loss) for loss in method]
    options = {
        "task": task_name(task),
        "model.name": module_name(model, "model"),
        "model.weights": weights,
        "teacher": teacher_run(teacher),
        "losses": losses,
        "seeds": seeds,
        "seed": seed,
        "device": device,
    }
    loss = method.rpartition(":")[2] if isinstance(method, str) else "distilled"
    folder = Path(run) if run else default_run(f"{_short(model)}-{loss}")
    return run_experiment(
        given(options) | length(epochs, time), folder, config=config, progress=progress
    )


def run_experiment(
    options: Mapping[str, Any],
    folder: Path,
    *,
    config: Config | None = None,
    progress: bool = True,
) -> TrainedRun:
    """Trains networks whose settings are given by dotted key; see `train` and `distill`."""
    from nas.experiments.config import experiment_config, with_default_losses
    from nas.experiments.run import run_experiment as run_all

    path, values = split_config(config, options)
    merged = overridden(read_values(path), values)
    task = task_of(merged)
    complete = with_default_losses(merged, task.kind)
    settings = validate(experiment_config(task.kind), complete, str(path) if path else "settings")
    with displays(progress) as (epochs, _):
        if complete != merged:
            names = ", ".join(loss.method for loss in settings.losses)
            epochs[1](f"loss towards the teacher: {names}, the default of {task.kind}")
        summary = run_all(settings, folder, task=task, on_epoch=epochs[0], say=epochs[1])
    return TrainedRun(folder, summary)


def evaluate(
    run: str | Path | TrainedRun,
    split: str = "validation",
    *,
    tta: bool = False,
    views: str | None = None,
    task: str | Path | None = None,
    data: str | Path | None = None,
    task_options: Mapping[str, Any] | None = None,
    missing: Sequence[Sequence[str]] = (),
    best_by: Sequence[str] = (),
    intervals: bool = False,
    device: str = "auto",
) -> RunEvaluation:
    """Scores every network of a run of `train` or `distill`, or any one network, on a split.

    Where the masks of a segmentation task are stored at another size than the network takes, it is
    scored at both; the figures at the images' own size are named ``own size``.

    Args:
        run: Its folder, or that of one seed or of a retrained network.
        split: train, validation or test; the test split is for reporting and chooses nothing.
        tta: Whether to score with test-time augmentation too.
        views: Which; the most thorough one that the kind of the task has unless given.
        task: Other data than those of the training. They are normalised as those were, and
            thresholds come from the validation split of the training.
        data: Folder of the images, if they have moved; with a task, its images.
        task_options: Options of that task.
        missing: For anti-spoofing, inputs to take away from every face; a row of its own for each.
        best_by: Monitors of the training; a row for each, of the weights that were best by it.
        intervals: For anti-spoofing, whether to find 95 % intervals by the bootstrap, over
            subjects where they are known.
        device: auto, cpu or cuda:N.

    Raises:
        UserError: If there is no such run, split, monitor or task, or an input cannot be taken
            away.

    Examples:
        >>> found = nas.evaluate(folder / "teacher", "test")
        >>> sorted(found.figures["none"])
        ['accuracy', 'mean_class_accuracy']
    """
    from nas.deployment.evaluation import evaluate as scored

    if views is not None and not tta:
        raise UserError("views belong to test-time augmentation; give tta=True too.")
    chosen: Any = ("none", views) if tta else ("none",)
    other = _other(task, data, task_options)
    return scored(
        _folder(run),
        split,
        chosen,
        device,
        str(data) if data and other is None else None,
        missing,
        other=other,
        best_by=best_by,
        intervals=intervals,
    )


def ensemble(
    runs: Sequence[str | Path | TrainedRun],
    split: str = "validation",
    *,
    weights: str = "equal",
    task: str | Path | None = None,
    data: str | Path | None = None,
    task_options: Mapping[str, Any] | None = None,
    intervals: bool = False,
    device: str = "auto",
) -> EnsembleEvaluation:
    """Scores the networks of several runs as one, by the sum of their logits, seed by seed.

    Args:
        runs: Folders of `train` or `distill`, two or more.
        split: train, validation or test.
        weights: equal, or learned: positive ones that add up to 1 and fit the validation split.
        task: As for `evaluate`.
        data: As for `evaluate`.
        task_options: As for `evaluate`.
        intervals: As for `evaluate`.
        device: auto, cpu or cuda:N.

    Raises:
        UserError: If there are fewer than two runs, no seed is in all of them, or a network was
            made for other data.
    """
    from nas.experiments.ensemble import WEIGHTS, evaluate_ensemble

    if weights not in WEIGHTS:
        raise UserError(f"weights {weights!r}: choose {' or '.join(WEIGHTS)}.")
    chosen: Any = weights
    other = _other(task, data, task_options)
    return evaluate_ensemble(
        [_folder(run) for run in runs],
        split,
        weights=chosen,
        other=other,
        data=str(data) if data and other is None else None,
        intervals=intervals,
        device=device,
    )


def _folder(run: str | Path | TrainedRun) -> Path:
    return run.path if isinstance(run, TrainedRun) else Path(run)


def _other(
    task: str | Path | None, data: str | Path | None, options: Mapping[str, Any] | None
) -> OtherData | None:
    from nas.experiments.evaluation import OtherData

    if task is None:
        if options:
            raise UserError("task_options belong to a task; give that too.")
        return None
    return OtherData(str(task), str(data) if data else None, options or {})


def _short(model: str | nn.Module) -> str:
    """What a run of a network is named after."""
    return model.rpartition(":")[2] if isinstance(model, str) else "network"
