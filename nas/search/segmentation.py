"""Puts a segmentation search together: task, space, encoder, teacher, evaluator, controller."""

from __future__ import annotations

import random
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

from optuna.samplers import BaseSampler

import latency
import nas.tasks
import search_spaces
from nas import controllers
from nas.errors import UserError
from nas.evaluation.ahead import Announce
from nas.evaluation.preparation import Prepared, check_networks, prepare
from nas.evaluation.segmentation import SegmentationEvaluator
from nas.search.config import PenaltySettings, SearchConfig
from nas.search.parts import Parts
from nas.search.records import reward_of
from nas.search.run_folder import RunFolder
from nas.tasks import Task
from nas.training.device import resolve_device
from rewards import Drop, Penalty, Reward, RewardError, automatic_base
from search_spaces.space import SearchSpace

IMPORT_PATH = f"{__name__}:standard"
"""Where worker processes find `standard`."""

COSTS = ("params", "macs", "flops", "latency")

_SAMPLES = 200
"""Genotypes whose median cost is the automatic base."""
_MEASURED = 11
"""Of these, how many are measured where the cost is a latency."""


class SegmentationAssembly:
    """Makes the parts of a segmentation search from its configuration.

    Args:
        announce: Told of every epoch of the encoder's and the teacher's training.
        say: Told, in a sentence, what was found or is being done.
    """

    def __init__(
        self,
        announce: Announce = lambda what, record, epochs: None,
        say: Callable[[str], None] = lambda sentence: None,
    ):
        self._announce = announce
        self._say = say

    def space(self, config: SearchConfig) -> SearchSpace:
        """The search space; see `make_space`."""
        return make_space(config)

    def check(self, config: SearchConfig) -> None:
        """Refuses what can be seen to be wrong before anything is trained or written.

        Raises:
            UserError: If the data or a setting is wrong.
        """
        resolve_device(config.device)
        space = make_space(config)
        task = load_task(config)
        reward = make_reward(config, task)
        make_controller(config, space, reward)
        _check_latency_device(config)
        check_networks(task, config.evaluation)
        nas.tasks.check(task).raise_if_bad()

    def prepare(self, run: RunFolder, config: SearchConfig) -> SearchConfig:
        """Trains or loads encoder and teacher, and resolves automatic values.

        Raises:
            UserError: If the encoder or the teacher cannot be made, or the teacher is useless.
        """
        task = load_task(config)
        config = _with_classes(config, task)
        prepared = self.prepared(run, config, task)
        if prepared.report is not None:
            self._say(_describe(prepared))
        return self._with_bases(config, prepared)

    def parts(self, run: RunFolder, config: SearchConfig, device: str) -> Parts:
        """Everything that a worker needs."""
        task = load_task(config)
        space = self.space(config)
        reward = make_reward(config, task)
        prepared = prepare(
            task, config.evaluation, cache_of(run, config), resolve_device(device), config.seed
        )
        return Parts(
            space=space,
            reward=reward,
            controller=make_controller(config, space, reward),
            evaluator=_evaluator(space, prepared, config, device),
        )

    def prepared(self, run: RunFolder, config: SearchConfig, task: Task) -> Prepared:
        """Encoder, teacher and cached maps, on the device of the configuration."""
        return prepare(
            task,
            config.evaluation,
            cache_of(run, config),
            resolve_device(config.device),
            config.seed,
            self._announce,
        )

    def _with_bases(self, config: SearchConfig, prepared: Prepared) -> SearchConfig:
        automatic = [p for p in config.reward.penalties if p.base == "auto"]
        if not automatic:
            return config
        space = self.space(config)
        evaluator = _evaluator(space, prepared, config, str(resolve_device(config.device)))
        self._say(f"bases of the penalties: counting {_SAMPLES} sampled genotypes")
        bases = _median_costs(space, evaluator, config)
        for cost, base in bases.items():
            self._say(f"base of the penalty on {cost}: {base:.4g}")
        penalties = [
            p.model_copy(update={"base": bases[p.cost]}) if p.base == "auto" else p
            for p in config.reward.penalties
        ]
        return _with_reward(config, penalties=tuple(penalties))


def make_space(config: SearchConfig) -> SearchSpace:
    """The search space of a configuration.

    Raises:
        UserError: If its name or an option is wrong.
    """
    try:
        return search_spaces.create(config.space.name, **config.space.options)
    except (ValueError, TypeError) as error:
        raise UserError(f"space {config.space.name!r}: {error}") from error


def load_task(config: SearchConfig) -> Task:
    """The task of a configuration.

    Raises:
        UserError: If there is none such, or it is no segmentation task.
    """
    return nas.tasks.load_segmentation(config.task, data=config.data, **config.task_options)


def make_reward(config: SearchConfig, task: Task) -> Reward:
    """The reward of a configuration; an automatic base that is not resolved yet counts as 1.

    Raises:
        UserError: If a class or a cost is unknown.
    """
    settings = config.reward
    classes = settings.classes or task.reward_classes
    unknown = [name for name in classes if name not in task.classes]
    if unknown:
        raise UserError(
            f"reward class {unknown[0]!r} is not a class of task {task.name!r}; "
            f"it has: {', '.join(task.classes)}."
        )
    try:
        return Reward(
            tuple(classes),
            settings.metric,
            settings.aggregate,
            tuple(_penalty(penalty) for penalty in settings.penalties),
            settings.combine,
        )
    except RewardError as error:
        raise UserError(f"reward: {error}") from error


def make_controller(config: SearchConfig, space: SearchSpace, reward: Reward) -> BaseSampler:
    """The controller of a configuration.

    Raises:
        UserError: If its name or a setting is wrong.
    """
    name, settings = config.controller.name, config.controller.settings
    return controllers.create(name, space, reward_of(reward), config.seed, **settings)


def cache_of(run: RunFolder, config: SearchConfig) -> Path:
    """Where encoder, teacher and maps are kept: the run's own folder unless told otherwise."""
    return Path(config.cache) if config.cache else run.cache


def _check_latency_device(config: SearchConfig) -> None:
    if config.latency_device is None:
        return
    try:
        latency.identify(config.latency_device)
    except latency.LatencyError as error:
        raise UserError(f"latency_device: {error}") from error


def _penalty(settings: PenaltySettings) -> Penalty:
    if settings.cost not in COSTS:
        raise UserError(f"no cost {settings.cost!r} to penalise; known: {', '.join(COSTS)}.")
    base = 1.0 if isinstance(settings.base, str) else settings.base
    floors = settings.drop
    drop = Drop(floors.cost_floor, floors.quality_floor) if floors is not None else None
    return Penalty(settings.cost, base, settings.exponent, drop)


def _evaluator(
    space: SearchSpace, prepared: Prepared, config: SearchConfig, device: str
) -> SegmentationEvaluator:
    return SegmentationEvaluator(
        space,
        prepared,
        config.evaluation,
        (config.latency_device or device) if "latency" in config.objectives else None,
    )


def _median_costs(
    space: SearchSpace, evaluator: SegmentationEvaluator, config: SearchConfig
) -> dict[str, float]:
    rng = random.Random(config.seed)
    genotypes = [space.sample(rng) for _ in range(_SAMPLES)]
    counted = [(evaluator.costs.counts(genotype), genotype) for genotype in genotypes]
    bases = {}
    for penalty in config.reward.penalties:
        if penalty.base != "auto":
            continue
        if penalty.cost == "latency":
            # A measurement takes a second or more, so only the middle of the FLOPs is measured.
            middle = statistics.median(costs["flops"] for costs, _ in counted)
            nearest = sorted(counted, key=lambda pair: abs(pair[0]["flops"] - middle))[:_MEASURED]
            figures = [evaluator.costs.measured(genotype)[0]["latency"] for _, genotype in nearest]
        else:
            figures = [costs[penalty.cost] for costs, _ in counted]
        bases[penalty.cost] = automatic_base(figures)
    return bases


def _with_classes(config: SearchConfig, task: Task) -> SearchConfig:
    return _with_reward(config, classes=config.reward.classes or task.reward_classes)


def _with_reward(config: SearchConfig, **changes: Any) -> SearchConfig:
    return config.model_copy(update={"reward": config.reward.model_copy(update=changes)})


def _describe(prepared: Prepared) -> str:
    report = prepared.report
    assert report is not None
    shape = "x".join(map(str, report.logits_shape))
    return (
        f"teacher: mean F1 {report.macro['f1']:.3f}, mean IoU {report.macro['iou']:.3f} on "
        f"validation (chance {report.chance:.3f}); logits {shape}, mean "
        f"{report.logits_mean:.2f}, standard deviation {report.logits_std:.2f}, largest "
        f"{report.logits_largest:.1f}"
    )


standard = SegmentationAssembly()
"""An assembly that tells nobody of its progress."""
