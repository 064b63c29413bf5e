"""Puts a search for classifiers together: task, space, teacher, evaluator, controller."""

from __future__ import annotations

import random
from collections.abc import Callable

import nas.tasks
from nas.errors import UserError
from nas.evaluation.ahead import Announce
from nas.evaluation.classification.evaluator import ClassifierEvaluator
from nas.evaluation.classification.preparation import (
    PreparedClassifiers,
    check_teaching,
    prepare_classifiers,
)
from nas.evaluation.latency.candidates import ClassifierCandidates
from nas.search.config import SearchConfig
from nas.search.device_costs import check_device_costs, resolved, told_costs
from nas.search.kinds import ClassificationSearchConfig
from nas.search.making import make_controller, make_reward, make_space, of_kind
from nas.search.parts import Parts
from nas.search.reward import with_reward
from nas.search.run_folder import RunFolder
from nas.search.segmentation import cache_of
from nas.tasks import ClassificationTask
from nas.training.device import resolve_device
from rewards import Reward
from search_spaces.space import ClassifierSpace

METRICS = ("f1", "accuracy")
"""Scores of a class of images."""


class ClassificationAssembly:
    """Makes the parts of a search for classifiers from its configuration.

    Args:
        announce: Told of every epoch of the teacher's training.
        say: Told, in a sentence, what was found or is being done.
    """

    def __init__(
        self,
        announce: Announce = lambda what, record, epochs: None,
        say: Callable[[str], None] = lambda sentence: None,
    ) -> None:
        self._announce = announce
        self._say = say

    def space(self, config: SearchConfig) -> ClassifierSpace:
        """The search space.

        Raises:
            UserError: If its name or an option is wrong.
        """
        space = make_space(config)
        assert isinstance(space, ClassifierSpace)  # the space decided the kind
        return space

    def reward(self, config: SearchConfig) -> Reward:
        """See `nas.search.parts.Assembly.reward`."""
        task = load_images(of_kind(config, ClassificationSearchConfig))
        return reward_on_images(task, config)

    def check(self, config: SearchConfig) -> None:
        """Refuses what can be seen to be wrong before anything is trained or written.

        Raises:
            UserError: If the data or a setting is wrong.
        """
        config = of_kind(config, ClassificationSearchConfig)
        device = resolve_device(config.device)
        if config.promotion is not None and not config.evaluation.training.rungs:
            raise UserError(
                "successive halving needs a rung where candidates are compared; give for example "
                "--set evaluation.training.rungs=[1]."
            )
        space = self.space(config)
        task = load_images(config)
        make_controller(config, space, reward_on_images(task, config))
        check_device_costs(config, str(device))
        task.augmentation(config.evaluation.training.augmentation)
        nas.tasks.check(task).raise_if_bad()
        candidate = space.build(space.sample(random.Random(0)), num_classes=task.num_classes)
        check_teaching(task, config.evaluation, candidate, device)

    def prepare(self, run: RunFolder, config: SearchConfig) -> ClassificationSearchConfig:
        """Trains or loads the teacher, and resolves automatic values.

        Raises:
            UserError: If the teacher cannot be made or is useless.
        """
        config = of_kind(config, ClassificationSearchConfig)
        task = load_images(config)
        config = with_reward(config, classes=config.reward.classes or task.reward_classes)
        device = str(resolve_device(config.device))
        # Before anything is trained: a search whose limits leave nothing ends here.
        candidates = ClassifierCandidates(self.space(config), task.num_classes, task.input_size)
        config = resolved(config, candidates, device, self._say)
        prepared = self._prepared(run, config, task, device)
        if prepared.teacher is not None:
            card = prepared.teacher.card
            self._say(
                f"teacher: accuracy {card.accuracy:.3f}, mean F1 {card.macro_f1:.3f} on validation"
            )
        return config

    def parts(self, run: RunFolder, config: SearchConfig, device: str) -> Parts:
        """Everything that a worker needs."""
        config = of_kind(config, ClassificationSearchConfig)
        task = load_images(config)
        space = self.space(config)
        reward = reward_on_images(task, config)
        prepared = self._prepared(run, config, task, device)
        candidates = ClassifierCandidates(space, task.num_classes, task.input_size)
        told = told_costs(config, candidates, device, self._say)
        return Parts(
            space=space,
            reward=reward,
            controller=make_controller(config, space, reward),
            evaluator=ClassifierEvaluator(
                space, prepared, config.evaluation.training, resolve_device(device), told.meter
            ),
            promotion=config.promotion,
            known_costs=told.meter.known_costs,
            confirm=told.confirm,
        )

    def _prepared(
        self,
        run: RunFolder,
        config: ClassificationSearchConfig,
        task: ClassificationTask,
        device: str,
    ) -> PreparedClassifiers:
        return prepare_classifiers(
            task,
            config.evaluation,
            cache_of(run, config),
            resolve_device(device),
            config.seed,
            self._announce,
        )


def load_images(config: ClassificationSearchConfig) -> ClassificationTask:
    """The task of a configuration.

    Raises:
        UserError: If there is none such, or it is no classification task.
    """
    task = nas.tasks.load(config.task, data=config.data, **config.task_options)
    if not isinstance(task, ClassificationTask):
        raise UserError(
            f"task {task.name}: the space {config.space.name!r} is for classification, and this is "
            f"a {task.kind} task; choose a space for it, for example --space fastnas."
        )
    return task


def reward_on_images(task: ClassificationTask, config: SearchConfig) -> Reward:
    """The reward of a configuration.

    Raises:
        UserError: If a class or a cost is unknown.
    """
    if config.reward.metric not in METRICS:
        raise UserError(
            f"reward.metric: classes of images have no {config.reward.metric!r}; choose one of "
            f"{', '.join(METRICS)}."
        )
    of = f"task {task.name!r}"
    return make_reward(config.reward, of, task.classes, task.reward_classes)
