"""Retrains a classifier that a search has found."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any, cast

from torch import nn

from nas.evaluation.ahead import Announce
from nas.evaluation.classification.preparation import PreparedClassifiers, prepare_classifiers
from nas.models.classifier_file import ClassifierDescription, save_classifier
from nas.models.encoder import fingerprint
from nas.models.searched_classifier import SearchedClassifierSettings
from nas.models.weights import FILE
from nas.retraining.options import RetrainOptions
from nas.retraining.scores import scores_of
from nas.retraining.work import Work
from nas.search.classification import ClassificationAssembly, load_images, reward_on_images
from nas.search.kinds import ClassificationSearchConfig
from nas.search.run_folder import RunFolder
from nas.search.segmentation import cache_of
from nas.training.classification.settings import ClassifierFitSettings
from nas.training.classification.stages import classifier_subject
from nas.training.device import resolve_device
from nas.training.seeding import seeded
from nas.training.stages import StageTeacher, Subject
from search_spaces.genotype import Genotype


class ClassificationWork(Work):
    """A classifier is trained from random weights.

    Args:
        run: The run folder.
        config: Its configuration.
        options: How it is retrained.
        announce: Told of epochs where the teacher must be trained again.

    Raises:
        UserError: If there is no teacher to learn from, or the device is absent.
    """

    def __init__(
        self,
        run: RunFolder,
        config: ClassificationSearchConfig,
        options: RetrainOptions,
        announce: Announce,
    ) -> None:
        super().__init__(options, config.has_teacher, config.retraining_losses)
        self._config, self._announce = config, announce
        self._task = self.task = load_images(config)
        self._space = ClassificationAssembly().space(config)
        self._reward = reward_on_images(self._task, config)
        self._device = resolve_device(options.device)
        self._cache = cache_of(run, config)
        self.input_shape = (1, 3, *self._task.input_size)

    def build(self, genotype: Genotype) -> nn.Module:
        """See `Work.build`."""
        with seeded(self._options.seed, "retrain"):
            return self._describe(genotype).build()

    def warm_up(self, network: nn.Module) -> None:
        """Nothing comes before the stages."""

    def subject(self, network: nn.Module) -> Subject[ClassifierFitSettings]:
        """See `Work.subject`."""
        training = cast(ClassifierFitSettings, self._options.training)
        return classifier_subject(network, self._task, training, self._device)

    def teacher(self) -> StageTeacher | None:
        """See `Work.teacher`."""
        if not self._options.distill:
            return None
        teacher = self._prepared.teacher
        assert teacher is not None  # refused by the constructor
        return StageTeacher(teacher.network, fingerprint(teacher.network.state_dict()))

    def scores(self, network: nn.Module) -> dict[str, dict[str, Any]]:
        """See `Work.scores`."""
        return scores_of(network.eval(), self._task, self._device, self._reward.quality)

    def save(self, network: nn.Module, genotype: Genotype, folder: Path) -> None:
        """See `Work.save`."""
        save_classifier(network, self._describe(genotype), folder / FILE)

    def _describe(self, genotype: Genotype) -> ClassifierDescription:
        task = self._task
        return ClassifierDescription(
            network=SearchedClassifierSettings(
                space=self._space.name,
                space_options=dict(self._space.options),
                genotype=str(genotype),
            ),
            classes=task.classes,
            input_size=task.input_size,
            mean=tuple(task.mean),
            std=tuple(task.std),
        )

    @cached_property
    def _prepared(self) -> PreparedClassifiers:
        return prepare_classifiers(
            self._task,
            self._config.evaluation,
            self._cache,
            self._device,
            self._config.seed,
            self._announce,
        )
