"""Runs a sweep: a search over settings, on the study, the workers and the folder of a search."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

import nas.tasks
from nas.controllers.failures import is_candidate_failure
from nas.errors import UserError
from nas.evaluation.evaluation import EvaluationError
from nas.experiments.evaluation import checkpoint_rule
from nas.experiments.folder import different_keys
from nas.experiments.run import OnEpoch
from nas.files import read_json
from nas.kinds.registry import kind_named
from nas.kinds.teacher import METRICS
from nas.searching.assembly import IMPORT_PATH, StandardAssembly
from nas.searching.config import SweepSearchConfig
from nas.searching.places import trials_asked
from nas.searching.run_folder import RunFolder
from nas.searching.search import resume, start
from nas.searching.study import read_study
from nas.settings import validate
from nas.sweeping.assembly import number, read_point
from nas.sweeping.points import POINTS, all_points, check_key, described, point_folder
from nas.sweeping.space import CONTROLLER, SPACE, SettingsSpace

Look = Callable[[optuna.Study], None]


@dataclass(frozen=True)
class SweepPoint:
    """A point of a sweep.

    Attributes:
        values: Its settings by dotted key.
        folder: Where it was trained; a run as ``nas distill`` makes it.
        validation: Figures on the validation split, one value for each seed; empty where it is not
            trained.
        failure: Why it could not be trained; empty where it could.
    """

    values: dict[str, Any]
    folder: Path
    validation: dict[str, list[float]]
    failure: str = ""

    @property
    def name(self) -> str:
        """Its settings in words."""
        return described(self.values)


@dataclass(frozen=True)
class SweepSummary:
    """What a sweep came to.

    Attributes:
        keys: The settings that were swept.
        seeds: Seed of each training of a point.
        points: In order, the last key fastest.
        figure: The figure that decides.
        is_error: Whether a smaller one is better.
        checkpoint: The rule that chose the epoch of the networks.
    """

    keys: tuple[str, ...]
    seeds: tuple[int, ...]
    points: tuple[SweepPoint, ...]
    figure: str
    is_error: bool
    checkpoint: str

    @property
    def trained(self) -> tuple[SweepPoint, ...]:
        """The points that have figures."""
        return tuple(point for point in self.points if point.validation)


def run_sweep(
    values: Mapping[str, Any],
    settings: Mapping[str, Sequence[Any]],
    folder: Path,
    *,
    workers: int = 1,
    on_epoch: OnEpoch = lambda name, record, epochs: None,
    say: Callable[[str], None] = lambda sentence: None,
    look: Look = lambda study: None,
) -> SweepSummary:
    """Trains every point that the folder lacks.

    A point that is cut off goes on from its last epoch, one that fails by itself is left out and
    told, and more seeds can be asked for later.

    Args:
        values: Nested settings of the training, as `nas.experiments.config` reads them.
        settings: Values of each swept setting, by dotted key.
        folder: New, or that of the same sweep.
        workers: Local processes; 1 trains in this process.
        on_epoch: Told (what is trained, the epoch, the number of epochs).
        say: Told what is known before a training.
        look: Called with the study now and then.

    Raises:
        UserError: If a setting is wrong, the folder is in use, or no point can be trained.
        SearchError: If the workers cannot go on.
    """
    config = _config(values, settings, workers)
    assembly = StandardAssembly(on_epoch, say)
    space = SettingsSpace(settings)
    counted = _counted(space.size, look)
    if (folder / "config.yaml").is_file():
        assembly.check(config)
        _claim(folder, config)
        changes = {"workers": config.workers, "device": config.device}
        resume(folder, assembly, IMPORT_PATH, counted, changes)
    else:
        start(config, folder, assembly, IMPORT_PATH, counted)
    summary = read_sweep(folder)
    if not summary.trained:
        raise UserError(f"{folder}: no point could be trained: {summary.points[0].failure}")
    return summary


def read_sweep(folder: Path) -> SweepSummary:
    """What is known of a sweep so far.

    Raises:
        UserError: If the folder holds none.
    """
    run = RunFolder.open(folder)
    config = run.config()
    if not isinstance(config, SweepSearchConfig):
        raise UserError(f"{folder}: a search, and no sweep; see nas status.")
    space = SettingsSpace(config.space.options["settings"])
    kind = nas.tasks.load(
        config.experiment["task"],
        config.experiment.get("data"),
        **(config.experiment.get("task_options") or {}),
    ).kind
    failures = {
        str(trial.user_attrs["genotype"]): _reason(trial)
        for trial in read_study(run).get_trials(deepcopy=False)
        if is_candidate_failure(trial) and "genotype" in trial.user_attrs
    }
    points = tuple(_point(folder, space, values, failures) for values in all_points(space))
    seeds = tuple(range(config.seed, config.seed + config.seeds))
    first = read_point(kind, config.experiment, points[0].values, config.seeds, config.device)
    return SweepSummary(
        keys=tuple(space.settings),
        seeds=seeds,
        points=points,
        figure=kind_named(kind).figures[0],
        is_error=kind_named(kind).first_figure_is_an_error,
        checkpoint=checkpoint_rule(first, kind_named(kind)),
    )


def _config(
    values: Mapping[str, Any], settings: Mapping[str, Sequence[Any]], workers: int
) -> SweepSearchConfig:
    for key in settings:
        check_key(key)
    space = SettingsSpace(settings)
    options = values.get("task_options") or {}
    kind = nas.tasks.load(str(values["task"]), values.get("data"), **options).kind
    seeds, device = values.get("seeds", 1), values.get("device", "auto")
    first = read_point(kind, values, next(all_points(space)), seeds, device)
    return validate(
        SweepSearchConfig,
        {
            "space": {"name": SPACE, "options": {"settings": space.settings}},
            "controller": {"name": CONTROLLER},
            "reward": {"metric": kind_named(kind).default_metric},
            "trials": space.size,
            "workers": workers,
            "seed": first.seed,
            "device": first.device,
            "failures_in_a_row": space.size,
            # Resolved, so that it means the same from any folder.
            "experiment": first.identity(),
            "seeds": first.seeds,
        },
        "sweep",
    )


def _claim(folder: Path, config: SweepSearchConfig) -> None:
    """Makes sure that a folder is that of a sweep, and prepares it for other seeds.

    Raises:
        UserError: If it holds anything else.
    """
    run = RunFolder.open(folder)
    known = run.config()
    if not isinstance(known, SweepSearchConfig):
        raise UserError(f"{folder}: the folder is in use; choose another one.")
    different = different_keys(_identity(known), _identity(config))
    if different and any(folder.glob(f"{POINTS}/*/seed-*")):
        raise UserError(
            f"{folder}: it holds a sweep of other settings ({different}); choose another folder."
        )
    if different or known.seeds != config.seeds:
        # Trials hold means over the seeds. What is trained stays.
        for path in folder.glob("study.db*"):
            path.unlink()
        run.memory_path.unlink(missing_ok=True)
        run.save_config(config)


def _identity(config: SweepSearchConfig) -> dict[str, Any]:
    return {"experiment": config.experiment, "settings": config.space.options["settings"]}


def _counted(size: int, look: Look) -> Look:
    """Asks for as many trials as every point needs that can be trained."""

    def counted(study: optuna.Study) -> None:
        trials = study.get_trials(deepcopy=False)
        complete = [t for t in trials if t.state == TrialState.COMPLETE]
        distinct = {t.user_attrs["canonical_key"] for t in complete}
        failed = {
            t.user_attrs["canonical_key"]
            for t in trials
            if is_candidate_failure(t) and "canonical_key" in t.user_attrs
        }
        asked = size - len(failed - distinct) + len(complete) - len(distinct)
        if asked != trials_asked(study):
            study.set_user_attr("trials", asked)
        look(study)

    return counted


def _reason(trial: FrozenTrial) -> str:
    # The name of the exception is for records, not for people.
    return str(trial.user_attrs.get("failure", "")).removeprefix(f"{EvaluationError.__name__}: ")


def _point(
    run: Path, space: SettingsSpace, values: Mapping[str, Any], failures: Mapping[str, str]
) -> SweepPoint:
    folder = point_folder(run, space, values)
    path = folder / METRICS
    figures = read_json(path)["validation"] if path.is_file() else {}
    validation = {
        key: [number(value) for value in found["values"]] for key, found in figures.items()
    }
    return SweepPoint(
        dict(values), folder, validation, failures.get(str(space.genotype_of(values)), "")
    )
