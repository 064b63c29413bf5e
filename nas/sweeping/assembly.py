"""The parts of a search whose candidates are trainings with other settings."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

import nas.tasks
from nas.errors import UserError
from nas.evaluation.evaluation import Decide, Evaluation, EvaluationError, go_on
from nas.experiments.config import ExperimentConfig, experiment_config
from nas.experiments.run import OnEpoch, run_experiment
from nas.files import DiskFullError, fingerprint_of, read_json
from nas.kinds.ahead import Announce
from nas.kinds.teacher import METRICS, network_path
from nas.objects import is_object
from nas.searching.assembly import Parts, make_controller, make_space, of_kind
from nas.searching.config import SearchConfig, SweepSearchConfig
from nas.searching.continuing import StudyData
from nas.searching.reward import make_reward, with_reward
from nas.searching.run_folder import RunFolder
from nas.settings import validate
from nas.sweeping.points import all_points, experiment_with, point_folder
from nas.sweeping.space import SettingsSpace
from nas.tasks import Task
from rewards import Reward
from search_spaces.genotype import Genotype


class SweepAssembly:
    """Makes the parts of a sweep from its configuration.

    Args:
        announce: Told (what is trained, the epoch, the number of epochs).
        say: Told, in a sentence, what was found or is being done.
    """

    def __init__(
        self,
        announce: Announce = lambda what, record, epochs: None,
        say: Callable[[str], None] = lambda sentence: None,
    ) -> None:
        self._announce, self._say = announce, say
        self._tasks: dict[str, Task] = {}

    def space(self, config: SearchConfig) -> SettingsSpace:
        """See `nas.searching.assembly.Assembly.space`."""
        return cast(SettingsSpace, make_space(config))

    def reward(self, config: SearchConfig) -> Reward:
        """See `nas.searching.assembly.Assembly.reward`."""
        task = self._task(config)
        return make_reward(config.reward, f"task {task.name!r}", task.classes, task.reward_classes)

    def data(self, config: SearchConfig) -> StudyData:
        """The images and the teacher, by their content."""
        fingerprints = {"task": self._task(config).fingerprint}
        teacher = of_kind(config, SweepSearchConfig).experiment.get("teacher")
        if teacher is not None:
            known = is_object(teacher)
            fingerprints["teacher"] = teacher if known else fingerprint_of(network_path(teacher))
        return StudyData(fingerprints)

    def check(self, config: SearchConfig) -> None:
        """Refuses settings that no training can have, before anything is written.

        Raises:
            UserError: With the first of them.
        """
        config = of_kind(config, SweepSearchConfig)
        kind = self._task(config).kind
        for values in all_points(self.space(config)):
            read_point(kind, config.experiment, values, config.seeds, config.device)

    def prepare(self, run: RunFolder, config: SearchConfig) -> SweepSearchConfig:
        """Notes which classes earn reward."""
        classes = config.reward.classes or self._task(config).reward_classes
        return with_reward(of_kind(config, SweepSearchConfig), classes=classes)

    def parts(self, run: RunFolder, config: SearchConfig, device: str) -> Parts:
        """Everything that a worker needs."""
        config = of_kind(config, SweepSearchConfig)
        space, reward = self.space(config), self.reward(config)
        evaluator = PointEvaluator(
            run.path, config, self._task(config).kind, device, self._announce, self._say
        )
        return Parts(space, reward, make_controller(config, space, reward), evaluator)

    def _task(self, config: SearchConfig) -> Task:
        experiment = of_kind(config, SweepSearchConfig).experiment
        place = experiment["task"], experiment.get("data"), experiment.get("task_options") or {}
        if repr(place) not in self._tasks:
            name, data, options = place
            self._tasks[repr(place)] = nas.tasks.load(name, data, **options)
        return self._tasks[repr(place)]


class PointEvaluator:
    """Trains a network with the settings of a candidate, over all seeds, into a folder of its own.

    A training that was cut off goes on from its last epoch.

    Args:
        run: The run folder.
        config: Of the sweep.
        kind: Name of the kind of the task.
        device: Where it is trained.
        announce: Told (what is trained, the epoch, the number of epochs).
        say: Told what is known before the training.
    """

    def __init__(
        self,
        run: Path,
        config: SweepSearchConfig,
        kind: str,
        device: str,
        announce: OnEpoch,
        say: Callable[[str], None],
    ) -> None:
        self._run, self._config, self._kind, self._device = run, config, kind, device
        self._announce, self._say = announce, say
        self._space = cast(SettingsSpace, make_space(config))

    def evaluate(self, genotype: Genotype, seed: int, decide: Decide = go_on) -> Evaluation:
        """Scores are the means over the seeds of the sweep; `seed` and `decide` change nothing.

        Raises:
            EvaluationError: If there is no such training, or it diverges.
        """
        started, values = time.perf_counter(), self._space.values(genotype)
        folder = point_folder(self._run, self._space, values)
        try:
            experiment = read_point(
                self._kind, self._config.experiment, values, self._config.seeds, self._device
            )
            summary = run_experiment(
                experiment,
                folder,
                on_epoch=lambda what, record, epochs: self._announce(
                    f"{folder.name} {what}", record, epochs
                ),
                say=self._say,
            )
        except DiskFullError:
            raise
        except UserError as error:
            raise EvaluationError(str(error)) from error
        cards = [scores_of(folder / f"seed-{number}") for number in summary.seeds]
        scores = {
            metric: {name: statistics.fmean(card[metric][name] for card in cards) for name in found}
            for metric, found in cards[0].items()
        }
        return Evaluation(
            scores=scores,
            macro={metric: statistics.fmean(found.values()) for metric, found in scores.items()},
            groups={},
            costs={},
            curves={},
            seconds={"training": time.perf_counter() - started},
            details={"folder": folder.name},
        )


def read_point(
    kind: str, experiment: Mapping[str, Any], values: Mapping[str, Any], seeds: int, device: str
) -> ExperimentConfig:
    """The training of a point.

    Args:
        kind: Name of the kind of its task.
        experiment: Settings of all points.
        values: Of the point, by dotted key.
        seeds: Number of trainings.
        device: Where it is trained.

    Raises:
        UserError: If a key or value is wrong.
    """
    told = ", ".join(f"{key}={value}" for key, value in values.items())
    merged = {**experiment_with(experiment, values), "seeds": seeds, "device": device}
    return validate(experiment_config(kind), merged, f"sweep, {told}")


def scores_of(folder: Path) -> dict[str, dict[str, float]]:
    """Scores of a trained network on the validation split, by metric and class.

    Args:
        folder: Of one seed of a run.
    """
    scores = read_json(folder / METRICS)["validation"]["scores"]
    return {
        metric: {name: number(value) for name, value in found.items()}
        for metric, found in scores.items()
    }


def number(value: float | None) -> float:
    """A figure as a file has it, which writes null for what is not defined."""
    return math.nan if value is None else value
