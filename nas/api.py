"""The Python interface: searches, trainings and their results as objects.

The command line is one user of it, a notebook another. Everything runs in the calling process
unless several workers are asked for.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.errors import UserError
from nas.nested import flattened
from nas.results import Records
from nas.settings import overridden, read_yaml, validate

if TYPE_CHECKING:
    from torch import nn

    from nas.experiments.evaluation import RunEvaluation
    from nas.experiments.run import Summary
    from nas.report.status import Status
    from nas.searching.config import SearchConfig
    from nas.searching.run_folder import RunFolder
    from nas.tasks import Task
    from search_spaces import SearchSpace

RUNS = Path("runs")
"""Where runs go that are given no folder."""

Config = Mapping[str, Any] | str | Path
"""Settings by the keys of the YAML, nested or dotted, or the path of a YAML file."""


def search(
    task: str | Path | Task | None = None,
    *,
    run: str | Path | None = None,
    space: str | SearchSpace | type | None = None,
    controller: str | type | None = None,
    penalties: Mapping[str, float] | Iterable[str] | None = None,
    limits: Mapping[str, float] | None = None,
    trials: int | None = None,
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
        run: Run folder to make; ``runs/TASK-DATE-TIME`` unless given.
        space: A search space by its name or import path, or as an object or class.
        controller: What draws candidates: a name, an import path or a class.
        penalties: Costs that lower the reward: exponents by cost, or just their names.
        limits: Largest values of costs by name; candidates beyond them are not trained.
        trials: Finished candidates asked for.
        teacher: A run of `train`, a network file, or any module that gives the task's logits;
            False searches without a teacher.
        encoder: Backbone of segmentation candidates: a timm name, an import path, or a module with
            the attributes ``channels`` and ``strides`` that gives one map for each stride.
        workers: Local worker processes; 1 works in this process.
        seed: Of everything.
        device: auto, cpu or cuda:N.
        config: Any further setting.
        resume: Continue the search in `run` after whatever ended it.
        progress: Whether to print progress.

    Returns:
        The run.

    Raises:
        UserError: If something is wrong with what was given; one sentence says what.
        SearchError: If the number of trials asked for cannot be reached.

    Example:
        >>> run = nas.search("digits", space="nasbench201", trials=2, teacher=False, seed=1,
        ...                  run=folder / "search", config=tiny, progress=False)
        >>> len(run.trials())
        2
    """
    options = _given(
        {
            "task": _task_name(task),
            **_space_options(space),
            "controller.name": _address("nas.controllers", controller),
            "reward.penalties": _penalties(penalties),
            "limits": dict(limits) if limits is not None else None,
            "trials": trials,
            **_teacher_options(teacher),
            "evaluation.encoder.name": _module_name(encoder, "encoder"),
            "workers": workers,
            "seed": seed,
            "device": device,
        }
    )
    return run_search(
        options, run=Path(run) if run else None, config=config, resume=resume, progress=progress
    )


def run_search(
    options: Mapping[str, Any],
    *,
    run: Path | None = None,
    config: Config | None = None,
    resume: bool = False,
    progress: bool = True,
) -> Run:
    """Starts or continues a search whose settings are given by dotted key; see `search`."""
    from nas.searching.assembly import IMPORT_PATH, StandardAssembly
    from nas.searching.config import load_config
    from nas.searching.run_folder import RunFolder
    from nas.searching.search import resume as continue_search
    from nas.searching.search import start

    path, options = _settings(config, options)
    with _displays(progress) as (epochs, look):
        assembly = StandardAssembly(*epochs)
        if not resume:
            resolved = load_config(path, options)
            _refuse_objects_elsewhere(resolved)
            folder = run or RUNS / f"{_run_name(resolved)}-{time.strftime('%Y%m%d-%H%M%S')}"
            start(resolved, folder, assembly, IMPORT_PATH, look)
            return Run(folder)
        if run is None:
            raise UserError("a search that continues needs its run folder; give run.")
        if path is not None:
            load_config(path, {})
            options = flattened(read_yaml(path) or {}) | options
        known = RunFolder.open(run).config()
        validate(type(known), overridden(known.model_dump(mode="json"), options), "--resume")
        continue_search(run, assembly, IMPORT_PATH, look, options)
    return Run(run)


def open(run: str | Path, *, task: Task | None = None) -> Run:
    """Opens the run of an earlier search, from any folder and while it is running.

    Args:
        run: The run folder.
        task: The task of a search that was given one as an object, where images are needed again.

    Raises:
        UserError: If there is no such run.

    Example:
        >>> nas.open(folder / "search").path.name
        'search'
    """
    from nas.searching.run_folder import RunFolder

    if task is not None:
        _task_name(task)
    return Run(RunFolder.open(Path(run)).path)


def retrain(run: str | Path | Run, which: str | int = "best", **options: Any) -> Retrained:
    """Trains one candidate of a search in full; see `Run.retrain`.

    Example:
        >>> network = nas.retrain(folder / "search", epochs=1, progress=False)
        >>> sorted(network.metrics["costs"])
        ['flops', 'latency', 'macs', 'params']
    """
    opened = run if isinstance(run, Run) else open(run)
    return opened.retrain(which, **options)


def train(
    task: str | Path | Task,
    model: str | nn.Module,
    *,
    run: str | Path | None = None,
    weights: str | None = None,
    epochs: int | None = None,
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
        seeds: How many trainings.
        seed: Of the first.
        device: auto, cpu or cuda:N.
        config: Any further setting.
        progress: Whether to print progress.

    Raises:
        UserError: If something is wrong with what was given; one sentence says what.

    Example:
        >>> teacher = nas.train("digits", "convnet_small", epochs=1, run=folder / "teacher",
        ...                     config={"task_options": {"size": 8}}, progress=False)
        >>> list(teacher.summary.validation)
        ['accuracy', 'mean_class_accuracy']
    """
    options = {
        "task": _task_name(task),
        "model.name": _module_name(model, "model"),
        "model.weights": weights,
        "training.epochs": epochs,
        "seeds": seeds,
        "seed": seed,
        "device": device,
    }
    folder = Path(run) if run else RUNS / (model if isinstance(model, str) else "network")
    return run_experiment(_given(options), folder, config=config, progress=progress)


def distill(
    task: str | Path | Task,
    model: str | nn.Module,
    teacher: str | Path | nn.Module | TrainedRun,
    method: str | Sequence[Mapping[str, Any]] = "dist",
    *,
    weight: float | None = None,
    run: str | Path | None = None,
    weights: str | None = None,
    epochs: int | None = None,
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
        method: A loss by its name or import path, or several as the keys of `TermSettings`. Stages
            in `config` take its place.
        weight: Of a single loss; unless given, the published one on logits and a measured one on
            features, see `nas.distillation.TermSettings`.
        run: Folder for the networks; ``runs/MODEL-METHOD`` unless given.
        weights: As for `train`.
        epochs: As for `train`.
        seeds: As for `train`.
        seed: As for `train`.
        device: As for `train`.
        config: Any further setting.
        progress: Whether to print progress.

    Raises:
        UserError: If something is wrong with what was given; one sentence says what.

    Example:
        >>> student = nas.distill("digits", "convnet_small", folder / "teacher", "soft_target",
        ...                       epochs=1, run=folder / "student", progress=False,
        ...                       config={"task_options": {"size": 8}})
        >>> student.load().training
        False
    """
    place = teacher.path if isinstance(teacher, TrainedRun) else _module_name(teacher, "teacher")
    path, values = _settings(config, {})
    staged = "stages" in values or (path is not None and "stages" in (read_yaml(path) or {}))
    losses = [_given({"method": method, "weight": weight})] if isinstance(method, str) else method
    options = {
        "task": _task_name(task),
        "model.name": _module_name(model, "model"),
        "model.weights": weights,
        "teacher": str(place),
        "losses": None if staged else [dict(loss) for loss in losses],
        "training.epochs": epochs,
        "seeds": seeds,
        "seed": seed,
        "device": device,
    }
    loss = method.rpartition(":")[2] if isinstance(method, str) else "distilled"
    name = f"{model if isinstance(model, str) else 'network'}-{loss}"
    folder = Path(run) if run else RUNS / name.replace("/", "-")
    return run_experiment(_given(options), folder, config=config, progress=progress)


def run_experiment(
    options: Mapping[str, Any],
    folder: Path,
    *,
    config: Config | None = None,
    progress: bool = True,
) -> TrainedRun:
    """Trains networks whose settings are given by dotted key; see `train` and `distill`."""
    import nas.tasks
    from nas.experiments.config import experiment_config
    from nas.experiments.run import run_experiment as run_all

    path, values = _settings(config, options)
    base = (read_yaml(path) or {}) if path else {}
    if not isinstance(base, dict):
        raise UserError(f"{path}: expected keys and values, found {type(base).__name__}.")
    merged = overridden(base, values)
    given = merged.get("task_options") or {}
    if not isinstance(given, dict):
        raise UserError(f"task_options: must be a mapping, not {given!r}.")
    task = nas.tasks.load(str(merged["task"]), merged.get("data"), **given)
    settings = validate(experiment_config(task.kind), merged, str(path) if path else "settings")
    with _displays(progress) as (epochs, _):
        summary = run_all(settings, folder, task=task, on_epoch=epochs[0], say=epochs[1])
    return TrainedRun(folder, summary)


def evaluate(
    run: str | Path | TrainedRun,
    split: str = "validation",
    *,
    tta: bool = False,
    views: str | None = None,
    data: str | Path | None = None,
    device: str = "auto",
) -> RunEvaluation:
    """Scores every network of a run of `train` or `distill` on a split.

    Args:
        run: Its folder.
        split: train, validation or test; the test split is for reporting and chooses nothing.
        tta: Whether to score with test-time augmentation too.
        views: Which; the most thorough one that the kind of the task has unless given.
        data: Folder of the images, if they have moved.
        device: auto, cpu or cuda:N.

    Raises:
        UserError: If there is no such run or split.

    Example:
        >>> found = nas.evaluate(folder / "teacher", "test")
        >>> sorted(found.figures["none"])
        ['accuracy', 'mean_class_accuracy']
    """
    from nas.experiments.evaluation import evaluate_run

    folder = run.path if isinstance(run, TrainedRun) else Path(run)
    if views is not None and not tta:
        raise UserError("views belong to test-time augmentation; give tta=True too.")
    chosen: Any = ("none", views) if tta else ("none",)
    return evaluate_run(folder, split, chosen, device, str(data) if data else None)


@dataclass(frozen=True)
class Run:
    """The run of a search and what can be done with it.

    Attributes:
        path: Its folder.
    """

    path: Path

    @property
    def config(self) -> SearchConfig:
        """The resolved configuration."""
        return self.folder.config()

    @property
    def folder(self) -> RunFolder:
        """The files of the run."""
        from nas.searching.run_folder import RunFolder

        return RunFolder.open(self.path)

    def status(self) -> Status:
        """How the search is doing: trials by state, failures, its best so far."""
        from nas.report.runs import read_snapshot
        from nas.report.status import status

        return status(read_snapshot(self.folder))

    def trials(self) -> Records:
        """Every trial: its number, state, genotype, quality, costs, seconds, and why it failed."""
        from nas.report.runs import read_snapshot

        return Records(
            {
                "trial": record.number,
                "state": record.state,
                "quality": record.quality,
                **record.costs,
                "genotype": record.genotype,
                "seconds": record.seconds.get("total"),
                **({"failure": record.failure} if record.failure else {}),
            }
            for record in read_snapshot(self.folder).records
        )

    def front(
        self, cost: str | None = None, *, penalties: Mapping[str, float] | None = None
    ) -> Records:
        """The candidates that no other beats in both quality and cost, the cheapest first.

        Args:
            cost: params, macs, flops, latency …; the first penalised one, or flops, unless given.
            penalties: Exponents by cost, to read the reward with other penalties than the search's.

        Raises:
            UserError: If no candidate is trained yet, or the cost was not recorded.
        """
        from nas.pareto.candidates import front_of
        from nas.report.runs import Reading, read_searches, read_snapshot

        snapshot = read_snapshot(self.folder)
        changes = {} if penalties is None else {"penalties": _penalties(penalties)}
        reading = Reading(cost or snapshot.default_cost, changes)
        (found,) = read_searches([snapshot], reading)
        genotypes = {record.number: record.genotype for record in snapshot.records}
        front = front_of(found.series.candidates, reading.objectives)
        return Records(
            {"trial": one.trial, **one.values, "genotype": genotypes[one.trial]}
            for one in sorted(front, key=lambda one: one.values[reading.cost])
        )

    def plot(
        self,
        cost: str | None = None,
        folder: str | Path | None = None,
        formats: Sequence[str] = ("png",),
    ) -> list[Path]:
        """Draws the candidates, the front and the course of the search.

        Returns:
            The files, in ``plots/`` of the run unless told otherwise; the front's comes first.
        """
        from nas.report.plots import save_plots
        from nas.report.runs import Reading, read_searches, read_snapshot

        snapshot = read_snapshot(self.folder)
        reading = Reading(cost or snapshot.default_cost)
        target = Path(folder) if folder else self.folder.plots
        return save_plots(read_searches([snapshot], reading), reading, target, tuple(formats))

    def resume(self, trials: int | None = None, *, progress: bool = True, **options: Any) -> Run:
        """Continues the search, up to a higher number of trials if one is given.

        Args:
            trials: Finished candidates asked for altogether.
            progress: Whether to print progress.
            options: ``workers`` or ``device``.
        """
        values = _given({"trials": trials, **options})
        return run_search(values, run=self.path, resume=True, progress=progress)

    def retrain(
        self,
        which: str | int = "best",
        *,
        epochs: int | None = None,
        teacher: bool | None = None,
        seed: int = 0,
        device: str = "auto",
        int8: bool = False,
        config: Mapping[str, Any] | None = None,
        progress: bool = True,
    ) -> Retrained:
        """Trains a candidate in full, exports it, measures it and reports its test scores.

        Args:
            which: ``best``, the number of a trial, or a genotype.
            epochs: Passes over the training split.
            teacher: Whether it learns from the search's teacher; as the search unless given.
            seed: Of weights, order and augmentation.
            device: auto, cpu or cuda:N.
            int8: Whether an int8 version is made and compared.
            config: Any further setting of the training.
            progress: Whether to print progress.

        Raises:
            UserError: If there is no such candidate, or it is retrained with other settings.
        """
        from nas.deployment.int8 import Int8Options
        from nas.deployment.onnx_export import ExportOptions
        from nas.deployment.selection import Selection, select
        from nas.retraining.options import RetrainOptions
        from nas.retraining.retrain import retrain as retrain_one
        from nas.searching.config import ImageSearchConfig

        settings = self.config
        if not isinstance(settings, ImageSearchConfig):
            raise UserError(f"{self.path}: it searched a table, which has no images to train on.")
        selection = (
            Selection(trials=(which,))
            if isinstance(which, int)
            else Selection(best=True)
            if which == "best"
            else Selection(genotype=which)
        )
        (choice,) = select(self.folder, selection)
        changes = flattened(config or {}) | _given({"epochs": epochs})
        values = overridden(settings.retraining.model_dump(), changes)
        options = RetrainOptions(
            training=validate(type(settings.retraining), values, "retraining"),
            distill=settings.has_teacher if teacher is None else teacher,
            device=device,
            seed=seed,
            export=ExportOptions(int8=Int8Options() if int8 else None),
        )
        with _displays(progress) as (shown, _):
            metrics = retrain_one(
                self.folder,
                settings,
                choice,
                options,
                lambda stage, record, total: shown[0](choice.name, record, total),
                shown[0],
                shown[1],
            )
        return Retrained(options.folder(self.folder, choice), metrics)


@dataclass(frozen=True)
class Retrained:
    """A retrained network.

    Attributes:
        path: Its folder: weights, ``model.onnx``, ``metrics.json``, ``log.csv``.
        metrics: Scores on the validation and test split, costs, latency.
    """

    path: Path
    metrics: Mapping[str, Any]

    @property
    def onnx(self) -> Path:
        """The exported file."""
        return self.path / "model.onnx"

    def load(self) -> nn.Module:
        """The module, in evaluation mode."""
        from nas.kinds.network_file import load

        return load(self.path)

    def __repr__(self) -> str:
        test = self.metrics["test"]["quality"]
        params = self.metrics["costs"]["params"]
        return f"Retrained({str(self.path)!r}, test quality {test:.4f}, {params:,} parameters)"


@dataclass(frozen=True)
class TrainedRun:
    """Networks that `train` or `distill` made, one for each seed.

    Attributes:
        path: The folder.
        summary: What the trainings came to on the validation split.
    """

    path: Path
    summary: Summary

    def records(self) -> Records:
        """The figures of every seed."""
        figures = self.summary.validation
        return Records(
            {"seed": seed, **{key: values[number] for key, values in figures.items()}}
            for number, seed in enumerate(self.summary.seeds)
        )

    def evaluate(self, split: str = "validation", **options: Any) -> RunEvaluation:
        """Scores every network on a split; see `evaluate`."""
        return evaluate(self, split, **options)

    def load(self) -> nn.Module:
        """The network that is best on the validation split, in evaluation mode."""
        from nas.kinds.network_file import load
        from nas.kinds.teacher import network_path

        return load(network_path(self.path))


def _settings(
    config: Config | None, options: Mapping[str, Any]
) -> tuple[Path | None, dict[str, Any]]:
    """The YAML file, if there is one, and all other settings by dotted key."""
    if isinstance(config, (str, Path)):
        return Path(config), dict(options)
    values = flattened(config or {})
    contradicted = [key for key in options if key in values and values[key] != options[key]]
    if contradicted:
        key = contradicted[0]
        raise UserError(f"config says {key}={values[key]!r}, and an argument {options[key]!r}.")
    return None, values | dict(options)


@contextmanager
def _displays(progress: bool) -> Iterator[tuple[tuple[Any, Any], Any]]:
    """What shows epochs and sentences, and what shows the trials of a search."""
    if not progress:
        yield (lambda *epoch: None, lambda sentence: None), lambda study: None
        return
    from nas.report.progress import EpochProgress
    from nas.report.search_progress import SearchProgress

    with EpochProgress() as epochs, SearchProgress() as trials:
        yield (epochs.show, epochs.say), trials.look


def _given(options: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in options.items() if value is not None}


def _task_name(task: str | Path | Task | None) -> str | None:
    if task is None or isinstance(task, (str, Path)):
        return None if task is None else str(task)
    from nas.objects import keep

    return keep(task, f"{task.name}-{task.fingerprint[:12]}")


def _module_name(module: str | Path | nn.Module | None, what: str) -> str | None:
    """The name of a network, or the one under which a module is kept."""
    if module is None or isinstance(module, (str, Path)):
        return None if module is None else str(module)
    from torch import nn

    from nas.models.encoder import fingerprint
    from nas.objects import keep

    if not isinstance(module, nn.Module):
        raise UserError(f"{what}: expected a name or a torch.nn.Module, not {module!r}.")
    return keep(module, f"{type(module).__name__}-{fingerprint(module.state_dict())[:12]}")


def _teacher_options(teacher: Any) -> dict[str, Any]:
    if isinstance(teacher, bool):
        return {"evaluation.distillation.enabled": teacher}
    place = teacher.path if isinstance(teacher, TrainedRun) else _module_name(teacher, "teacher")
    return {"evaluation.teacher.run": None if place is None else str(place)}


def _space_options(space: Any) -> dict[str, Any]:
    import search_spaces

    if space is None or isinstance(space, str):
        return {"space.name": space}
    if isinstance(space, search_spaces.SearchSpace):
        return {
            "space.name": search_spaces.address(type(space)),
            "space.options": dict(space.options),
        }
    return {"space.name": search_spaces.address(space)}


def _address(package: str, found: Any) -> str | None:
    if found is None or isinstance(found, str):
        return found
    import importlib

    address: str = importlib.import_module(package).address(found)
    return address


def _penalties(
    penalties: Mapping[str, float] | Iterable[str] | None,
) -> list[dict[str, Any]] | None:
    if penalties is None:
        return None
    if isinstance(penalties, str):
        raise UserError(f"penalties: give exponents by cost, for example {{{penalties!r}: -0.6}}.")
    if isinstance(penalties, Mapping):
        return [{"cost": cost, "exponent": exponent} for cost, exponent in penalties.items()]
    return [{"cost": cost} for cost in penalties]


def _refuse_objects_elsewhere(config: SearchConfig) -> None:
    from nas.objects import is_object

    if config.workers == 1:
        return
    values = flattened(config.model_dump(mode="json"))
    given = [key for key, value in values.items() if is_object(value)]
    if given:
        raise UserError(
            f"{given[0]} is a Python object, which {config.workers} worker processes cannot share; "
            "use workers=1, or name it by an import path (file.py:Name)."
        )


def _run_name(config: SearchConfig) -> str:
    """What a run is named after: its task or its table."""
    from nas.objects import is_object

    values = config.model_dump()
    source = str(values.get("task") or values["table"])
    if is_object(source):
        return source.partition(":")[2]
    return Path(source).resolve().stem if Path(source).exists() else source.replace("/", "-")
