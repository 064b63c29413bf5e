"""Puts a search on images together, of whatever kind their task is."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np

import nas.tasks
import rewards
from nas.errors import UserError
from nas.evaluation.costs import second_opinion
from nas.evaluation.evaluator import Evaluator
from nas.files import fingerprint_of
from nas.kinds.ahead import Announce
from nas.kinds.candidates import Candidates
from nas.kinds.kind import Prepared
from nas.kinds.registry import kind_of
from nas.kinds.teacher import network_path
from nas.nested import flattened
from nas.objects import is_object
from nas.searching.assembly import Parts, make_controller, make_space, of_kind
from nas.searching.config import ImageSearchConfig, SearchConfig
from nas.searching.continuing import StudyData
from nas.searching.device_costs import check_device_costs, resolved, told_costs
from nas.searching.reward import make_reward, with_reward
from nas.searching.run_folder import TEACHER, RunFolder
from nas.searching.sizing import space_within
from nas.tasks import Task
from nas.training.device import resolve_device
from nas.training.precision import remark
from nas.training.scoring import Scores
from rewards import Reward, RewardError
from search_spaces.space import SearchSpace

DEPLOYED = "deployed"
"""Where ``run.json`` tells what candidates are built for: the number of classes, and the input."""


class ImageAssembly:
    """Makes the parts of a search on images from its configuration.

    Args:
        announce: Told of every epoch of what is trained before the first candidate.
        say: Told, in a sentence, what was found or is being done.
    """

    def __init__(
        self,
        announce: Announce = lambda what, record, epochs: None,
        say: Callable[[str], None] = lambda sentence: None,
    ) -> None:
        self._announce, self._say = announce, say
        self._tasks: dict[str, Task] = {}
        self._prepared: dict[str, Prepared] = {}

    def space(self, config: SearchConfig) -> SearchSpace:
        """The search space.

        Raises:
            UserError: If its name or an option is wrong.
        """
        return make_space(config)

    def reward(self, config: SearchConfig) -> Reward:
        """See `nas.searching.assembly.Assembly.reward`."""
        config = of_kind(config, ImageSearchConfig)
        return reward_on(self.task(config), config)

    def data(self, config: SearchConfig) -> StudyData:
        """The task, and the weights from outside that candidates learn from.

        Raises:
            UserError: If one of them cannot be read.
        """
        config = of_kind(config, ImageSearchConfig)
        return data_of(self.task(config), config)

    def space_within(
        self, config: SearchConfig, with_space: Callable[[str], SearchConfig]
    ) -> str | None:
        """See `nas.searching.assembly.StandardAssembly.space_within`."""
        config = of_kind(config, ImageSearchConfig)
        if not config.kind.sizes:
            return None

        def sized(name: str) -> tuple[ImageSearchConfig, Candidates]:
            one = of_kind(with_space(name), ImageSearchConfig)
            return one, candidates_of(one, self.space(one), self.task(one))

        return space_within(config, sized, str(resolve_device(config.device)), self._say)

    def check(self, config: SearchConfig) -> None:
        """Refuses what can be seen to be wrong before anything is trained or written.

        Raises:
            UserError: If the data or a setting is wrong.
        """
        config = of_kind(config, ImageSearchConfig)
        device = resolve_device(config.device)
        if config.promotion is not None:
            config.kind.check_rungs(config.evaluation)
        space = self.space(config)
        task = self.task(config)
        make_controller(config, space, reward_on(task, config))
        check_device_costs(config, str(device))
        nas.tasks.require_sound(task, self._say)
        config.kind.check_evaluation(task, config.evaluation, space, device)

    def prepare(self, run: RunFolder, config: SearchConfig) -> SearchConfig:
        """Trains or loads what candidates share, and resolves automatic values.

        Raises:
            UserError: If an encoder or a teacher cannot be made, or the teacher is useless.
        """
        config = of_kind(config, ImageSearchConfig)
        task = self.task(config)
        config = with_reward(config, classes=config.reward.classes or task.reward_classes)
        device = str(resolve_device(config.device))
        self._tell_slow_precision(config)
        # Before anything is trained: a search whose limits leave nothing ends here.
        candidates = candidates_of(config, self.space(config), task)
        if not run.study_path.is_file():
            self._cross_check(candidates, config.seed)
        run.note(DEPLOYED, {"classes": task.num_classes, "input_shape": candidates.input_shape})
        config = resolved(config, candidates, device, self._say)
        prepared = self.prepared(run, config, device)
        taken, all_of_them = (len(one.dataset("train")) for one in (prepared.task, task))
        if taken < all_of_them:
            self._say(
                f"images: the search learns from {taken} of {all_of_them} training images, with "
                "the classes in their shares (evaluation.train_images)"
            )
        if prepared.teacher is not None:
            self._say(f"teacher: {prepared.teacher.remark}")
            if prepared.teacher.card is not None:
                card = prepared.teacher.card.scored_by(config.reward.metric, task.classes)
                run.note(TEACHER, _finite(card.scores))
        return config

    def _tell_slow_precision(self, config: ImageSearchConfig) -> None:
        settings = flattened(config.evaluation.model_dump())
        precisions = [value for key, value in settings.items() if key.endswith(".precision")]
        slow = remark(resolve_device(config.device), precisions)
        if slow is not None:
            self._say(slow)

    def _cross_check(self, candidates: Candidates, seed: int) -> None:
        warning = second_opinion(candidates, random.Random(seed))
        if warning is not None:
            self._say(f"costs: {warning}")

    def parts(self, run: RunFolder, config: SearchConfig, device: str) -> Parts:
        """Everything that a worker needs."""
        config = of_kind(config, ImageSearchConfig)
        task, space = self.task(config), self.space(config)
        reward = reward_on(task, config)
        prepared = self.prepared(run, config, device)
        candidates = candidates_of(config, space, task, prepared)
        told = told_costs(config, candidates, device, self._say)
        return Parts(
            space=space,
            reward=reward,
            controller=make_controller(config, space, reward),
            evaluator=Evaluator(
                *(prepared, config.evaluation, told.meter, config.reward.metric),
                patience=config.candidate.epochs_without_progress,
            ),
            promotion=config.promotion,
            known_costs=told.meter.known_costs,
            confirm=told.confirm,
        )

    def task(self, config: ImageSearchConfig) -> Task:
        """The task of a configuration, loaded once.

        Raises:
            UserError: If there is none such, or it is of another kind than the search space.
        """
        key = repr((config.task, config.data, config.task_options, config.space.name))
        if key not in self._tasks:
            self._tasks[key] = load_task(config)
        return self._tasks[key]

    def prepared(self, run: RunFolder, config: ImageSearchConfig, device: str) -> Prepared:
        """What candidates share, trained or loaded once for each device.

        Raises:
            UserError: If it cannot be made, or the teacher is useless.
        """
        where, task = resolve_device(device), self.task(config)
        parts = (str(run.path), str(where), config.seed, config.evaluation, config.space)
        key = repr(parts) + task.fingerprint
        if key not in self._prepared:
            self._prepared[key] = config.kind.prepare(
                task,
                config.evaluation,
                self.space(config),
                cache_of(run, config),
                where,
                config.seed,
                self._announce,
            )
        return self._prepared[key]


CLASS_METRICS = ("f1", "iou", "accuracy")
"""Metrics of a class that do not suit every kind."""


def load_task(config: ImageSearchConfig) -> Task:
    """The task of a configuration.

    Raises:
        UserError: If there is none such, or it is of another kind than the search space.
    """
    task = nas.tasks.load(config.task, data=config.data, **config.task_options)
    kind = config.kind
    if task.kind != kind.name:
        raise UserError(
            f"task {task.name}: the space {config.space.name!r} is for {kind.name}, and this is a "
            f"{task.kind} task; choose a space for it, for example --space "
            f"{kind_of(task).default_space}."
        )
    return task


def data_of(task: Task, config: ImageSearchConfig) -> StudyData:
    """What a search learns from: its task, and the weights from outside that it names.

    Raises:
        UserError: If one of them cannot be read.
    """
    fingerprints = {"task": task.fingerprint}
    teacher = config.evaluation.teacher.run
    if teacher is not None and config.has_teacher:
        known = is_object(teacher)
        fingerprints["teacher"] = teacher if known else fingerprint_of(network_path(teacher))
    encoder = getattr(config.evaluation, "encoder", None)
    if encoder is not None:
        weights = Path(encoder.weights).expanduser()
        # A folder has a file for each of several encoders.
        files = sorted(weights.glob("*.safetensors")) or [weights]
        content = "".join(fingerprint_of(file) for file in files if file.is_file())
        fingerprints["encoder weights"] = content or encoder.weights
    return StudyData(fingerprints)


def candidates_of(
    config: ImageSearchConfig,
    space: SearchSpace,
    task: Task,
    prepared: Prepared | None = None,
    size: tuple[int, int] | None = None,
) -> Candidates:
    """The networks of a search; their weights are random unless something is prepared.

    Args:
        config: Of the search.
        space: Its space.
        task: Its task.
        prepared: What candidates share.
        size: Height and width of the image; the task's unless given.
    """
    one = config.kind.image_shape(task, config.evaluation)
    shape = (*one[:2], *(size or task.input_size))
    return config.kind.candidates(space, config.evaluation, task.num_classes, shape, prepared)


def candidates_of_run(run: RunFolder, size: tuple[int, int] | None = None) -> Candidates:
    """The networks of a search with random weights, without its images.

    Args:
        run: The run folder.
        size: Height and width of the image; the task's unless given.

    Raises:
        UserError: If the search has no networks; or its task cannot be loaded, which runs of older
            versions need.
    """
    config = run.config()
    if not isinstance(config, ImageSearchConfig):
        raise UserError("a search in a table builds no networks, so they have no latency.")
    known = run.info().get(DEPLOYED)
    if known is None:
        return candidates_of(config, make_space(config), load_task(config), size=size)
    batch, channels, *task_size = known["input_shape"]
    shape = (batch, channels, *(size or task_size))
    space = make_space(config)
    return config.kind.candidates(space, config.evaluation, known["classes"], shape, None)


def _finite(scores: Scores) -> Scores:
    """Without the classes that occur nowhere, which JSON has no number for."""
    return {
        metric: {name: value for name, value in by_class.items() if math.isfinite(value)}
        for metric, by_class in scores.items()
    }


def reward_on(task: Task, config: ImageSearchConfig) -> Reward:
    """The reward of a configuration.

    Raises:
        UserError: If a class, a metric or a cost is unknown.
    """
    try:
        metric = rewards.metric(config.reward.metric)
    except RewardError as error:
        raise UserError(f"reward.metric: {error}") from error
    fits = metric.needs == "confusion" or config.kind.outputs == "classification"
    built_in = config.reward.metric in CLASS_METRICS
    if not fits or (built_in and config.reward.metric not in config.kind.metrics):
        raise UserError(
            f"reward.metric: a {task.kind} task has no {config.reward.metric!r}; choose one of "
            f"{', '.join(config.kind.metrics)}."
        )
    _try(metric, task)
    of = f"task {task.name!r}"
    return make_reward(config.reward, of, task.classes, task.reward_classes)


def _try(metric: rewards.Metric, task: Task) -> None:
    """Refuses a metric that is not one of as many classes as the task has.

    Raises:
        UserError: If it is not.
    """
    count = task.num_classes
    shares, labels = np.full((count, count), 1 / count), np.arange(count)
    observed = (
        (np.ones_like(shares, np.int64),) if metric.needs == "confusion" else (shares, labels)
    )
    try:
        metric.by_key(task.classes, *observed)
    except RewardError as error:
        raise UserError(f"reward.metric: {error}") from error


def cache_of(run: RunFolder, config: ImageSearchConfig) -> Path:
    """Where encoder, teacher and maps are kept: the run's own folder unless told otherwise."""
    return Path(config.cache) if config.cache else run.cache
