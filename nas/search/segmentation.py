"""Puts a segmentation search together: task, space, encoder, teacher, evaluator, controller."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nas.tasks
from nas.errors import UserError
from nas.evaluation.ahead import Announce
from nas.evaluation.latency.candidates import SegmentationCandidates, untrained_encoder
from nas.evaluation.preparation import Prepared, check_networks, prepare
from nas.evaluation.segmentation import SegmentationEvaluator
from nas.search.bases import with_reward
from nas.search.config import SearchConfig
from nas.search.device_costs import check_device_costs, resolved, told_costs
from nas.search.kinds import ImageSearchConfig, SegmentationSearchConfig
from nas.search.making import make_controller, make_reward, make_space, of_kind
from nas.search.parts import Parts
from nas.search.run_folder import RunFolder
from nas.tasks import SegmentationTask
from nas.training.device import resolve_device
from rewards import Reward
from search_spaces.space import DecoderSpace


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

    def space(self, config: SearchConfig) -> DecoderSpace:
        """The search space.

        Raises:
            UserError: If its name or an option is wrong.
        """
        space = make_space(config)
        assert isinstance(space, DecoderSpace)  # the space decided the kind of the configuration
        return space

    def reward(self, config: SearchConfig) -> Reward:
        """See `nas.search.parts.Assembly.reward`."""
        return reward_on(load_task(of_kind(config, SegmentationSearchConfig)), config)

    def check(self, config: SearchConfig) -> None:
        """Refuses what can be seen to be wrong before anything is trained or written.

        Raises:
            UserError: If the data or a setting is wrong.
        """
        config = of_kind(config, SegmentationSearchConfig)
        device = str(resolve_device(config.device))
        check_promotion(config)
        space = self.space(config)
        task = load_task(config)
        make_controller(config, space, reward_on(task, config))
        check_device_costs(config, device)
        check_networks(task, config.evaluation, space.encoder_strides)
        nas.tasks.check(task).raise_if_bad()

    def prepare(self, run: RunFolder, config: SearchConfig) -> SegmentationSearchConfig:
        """Trains or loads encoder and teacher, and resolves automatic values.

        Raises:
            UserError: If the encoder or the teacher cannot be made, or the teacher is useless.
        """
        config = of_kind(config, SegmentationSearchConfig)
        task = load_task(config)
        config = with_reward(config, classes=config.reward.classes or task.reward_classes)
        space = self.space(config)
        device = str(resolve_device(config.device))
        # Before anything is trained: a search whose limits leave nothing ends here.
        encoder = untrained_encoder(config.evaluation.encoder, space)
        candidates = SegmentationCandidates(space, encoder, len(task.classes), task.input_size)
        config = resolved(config, candidates, device, self._say)
        prepared = self._prepared(run, config, task, space, device)
        if prepared.report is not None:
            self._say(_describe(prepared))
        return config

    def parts(self, run: RunFolder, config: SearchConfig, device: str) -> Parts:
        """Everything that a worker needs."""
        config = of_kind(config, SegmentationSearchConfig)
        task = load_task(config)
        space = self.space(config)
        reward = reward_on(task, config)
        prepared = self._prepared(run, config, task, space, device)
        candidates = SegmentationCandidates(
            space, prepared.encoder, len(task.classes), task.input_size
        )
        told = told_costs(config, candidates, device, self._say)
        return Parts(
            space=space,
            reward=reward,
            controller=make_controller(config, space, reward),
            evaluator=SegmentationEvaluator(space, prepared, config.evaluation, told.meter),
            promotion=config.promotion,
            known_costs=told.meter.known_costs,
            confirm=told.confirm,
        )

    def _prepared(
        self,
        run: RunFolder,
        config: SegmentationSearchConfig,
        task: SegmentationTask,
        space: DecoderSpace,
        device: str,
    ) -> Prepared:
        return prepare(
            task,
            config.evaluation,
            cache_of(run, config),
            resolve_device(device),
            config.seed,
            self._announce,
            space.encoder_strides,
        )


def load_task(config: ImageSearchConfig) -> SegmentationTask:
    """The task of a configuration.

    Raises:
        UserError: If there is none such, or it is no segmentation task.
    """
    task = nas.tasks.load(config.task, data=config.data, **config.task_options)
    if not isinstance(task, SegmentationTask):
        raise UserError(
            f"task {task.name}: the space {config.space.name!r} is for segmentation, and this is a "
            f"{task.kind} task; choose a space for it, for example --space nasbench201."
        )
    return task


def check_promotion(config: SegmentationSearchConfig) -> None:
    """Refuses successive halving without a rung.

    Raises:
        UserError: One sentence that says how to get one.
    """
    stages = config.evaluation
    between = stages.stage0.enabled and stages.stage1.enabled
    within = stages.stage0.enabled and stages.stage0.rungs
    if config.promotion is not None and not (between or within):
        raise UserError(
            "successive halving needs a rung where candidates are compared; give for example "
            "--set evaluation.stage0.rungs=[2], or --set evaluation.stage1.enabled=true for one "
            "between the stages."
        )


def reward_on(task: SegmentationTask, config: SearchConfig) -> Reward:
    """The reward of a configuration.

    Raises:
        UserError: If a class or a cost is unknown.
    """
    of = f"task {task.name!r}"
    return make_reward(config.reward, of, task.classes, task.reward_classes)


def cache_of(run: RunFolder, config: ImageSearchConfig) -> Path:
    """Where encoder, teacher and maps are kept: the run's own folder unless told otherwise."""
    return Path(config.cache) if config.cache else run.cache


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
