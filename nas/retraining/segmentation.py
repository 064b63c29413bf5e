"""Retrains a decoder, with the encoder of its search."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any, cast

from torch import nn

from nas.evaluation.ahead import Announce
from nas.evaluation.preparation import Prepared, prepare
from nas.evaluation.settings import EvaluationSettings
from nas.evaluation.stages import train_decoder
from nas.models.segmentation import SegmentationNetwork, without_auxiliary
from nas.retraining.network_file import NetworkDescription, save_network
from nas.retraining.options import RetrainOptions
from nas.retraining.scores import scores_of
from nas.retraining.work import Work
from nas.search.kinds import SegmentationSearchConfig
from nas.search.run_folder import RunFolder
from nas.search.segmentation import SegmentationAssembly, cache_of, load_task, reward_on
from nas.training.device import resolve_device
from nas.training.fitting import FitSettings, segmentation_subject
from nas.training.scoring import ScoreCard
from nas.training.seeding import derive, seeded
from nas.training.stages import StageTeacher, Subject
from search_spaces.genotype import Genotype


class SegmentationWork(Work):
    """Stage 0 of the search comes first, if it is on, then the whole network end to end.

    Args:
        run: The run folder.
        config: Its configuration.
        options: How it is retrained.
        announce: Told of epochs where encoder or teacher must be trained again.

    Raises:
        UserError: If there is no teacher to learn from, or the device is absent.
    """

    def __init__(
        self,
        run: RunFolder,
        config: SegmentationSearchConfig,
        options: RetrainOptions,
        announce: Announce,
    ) -> None:
        super().__init__(options, config.has_teacher, config.retraining_losses)
        self._config, self._announce = config, announce
        self._task = self.task = load_task(config)
        self._space = SegmentationAssembly().space(config)
        self._reward = reward_on(self._task, config)
        self._device = resolve_device(options.device)
        self._cache = cache_of(run, config)
        self.input_shape = (1, 3, *self._task.input_size)

    def build(self, genotype: Genotype) -> SegmentationNetwork:
        """See `Work.build`; its encoder has the weights of the search."""
        with seeded(self._options.seed, "retrain"):
            network = self._describe(genotype).build()
        network.encoder.load_state_dict(self._prepared.encoder.state_dict())
        return network

    def warm_up(self, network: nn.Module) -> None:
        """Stage 0, as in the search: a random decoder would first spoil the encoder."""
        if not self._evaluation.stage0.enabled:
            return
        decoder = _segmentation(network).to(self._device).decoder
        train_decoder(
            decoder, self._prepared, self._evaluation, derive(self._options.seed, "retrain")
        )

    def subject(self, network: nn.Module) -> Subject[FitSettings]:
        """See `Work.subject`."""
        training = cast(FitSettings, self._options.training)
        return segmentation_subject(
            _segmentation(network), self._task, training, self._device, self._quality
        )

    def teacher(self) -> StageTeacher | None:
        """See `Work.teacher`."""
        if not self._options.distill:
            return None
        teacher = self._prepared.teacher
        assert teacher is not None  # refused by the constructor
        return StageTeacher(teacher, teacher.fingerprint)

    def scores(self, network: nn.Module) -> dict[str, dict[str, Any]]:
        """See `Work.scores`."""
        return scores_of(network.eval(), self._task, self._device, self._reward.quality)

    def save(self, network: nn.Module, genotype: Genotype, folder: Path) -> None:
        """See `Work.save`; the auxiliary heads are dropped."""
        trained = _segmentation(network)
        without_auxiliary(trained.decoder)
        save_network(trained, self._describe(genotype), folder)

    def _describe(self, genotype: Genotype) -> NetworkDescription:
        task = self._task
        return NetworkDescription(
            space=self._space.name,
            space_options=dict(self._space.options),
            genotype=str(genotype),
            encoder=self._config.evaluation.encoder,
            classes=task.classes,
            input_size=task.input_size,
            mean=tuple(task.mean),
            std=tuple(task.std),
        )

    @property
    def _evaluation(self) -> EvaluationSettings:
        """How the search evaluated, without a teacher if there is to be none."""
        settings = self._config.evaluation
        if self._options.distill:
            return settings
        distillation = settings.distillation.model_copy(update={"enabled": False})
        return settings.model_copy(update={"distillation": distillation})

    @cached_property
    def _prepared(self) -> Prepared:
        return prepare(
            self._task,
            self._evaluation,
            self._cache,
            self._device,
            self._config.seed,
            self._announce,
            self._space.encoder_strides,
        )

    def _quality(self, card: ScoreCard) -> float:
        return self._reward.quality(card.scores)


def _segmentation(network: nn.Module) -> SegmentationNetwork:
    assert isinstance(network, SegmentationNetwork)  # `build` made it
    return network
