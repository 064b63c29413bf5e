"""What retraining does that depends on the kind of the task."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

from torch import nn

from nas.distillation.terms import TermSettings
from nas.errors import UserError
from nas.retraining.options import RetrainOptions
from nas.tasks import Task
from nas.training.stage_settings import StageSettings
from nas.training.stages import StageTeacher, Subject
from search_spaces.genotype import Genotype

WHOLE = "retrain"


class Work(ABC):
    """A candidate on its way from random weights to a file.

    Args:
        options: How it is retrained.
        has_teacher: Whether the search had one.
        losses: Losses towards the teacher unless the options have their own.

    Attributes:
        task: Its data.
        input_shape: N x channels x height x width of its images.

    Raises:
        UserError: If there is no teacher to learn from, or nothing to learn from it.
    """

    task: Task
    input_shape: tuple[int, int, int, int]

    def __init__(
        self, options: RetrainOptions, has_teacher: bool, losses: tuple[TermSettings, ...]
    ) -> None:
        if options.distill and not has_teacher:
            raise UserError(
                "the search had no teacher, so there is none to retrain with; "
                "leave out --distillation and its losses."
            )
        if options.distill and not (options.losses or options.stages or losses):
            raise UserError(
                "the search's configuration has no retraining_losses to learn from its teacher "
                "with; give --distill.method, or use --no-distillation."
            )
        self._options = options
        self._losses = losses

    @abstractmethod
    def build(self, genotype: Genotype) -> nn.Module:
        """The network before any training."""

    @abstractmethod
    def subject(self, network: nn.Module) -> Subject[Any]:
        """What is trained in stages."""

    @abstractmethod
    def teacher(self) -> StageTeacher | None:
        """The network that it learns from, or None."""

    @abstractmethod
    def warm_up(self, network: nn.Module) -> None:
        """What comes before the stages."""

    @abstractmethod
    def scores(self, network: nn.Module) -> dict[str, dict[str, Any]]:
        """Scores on the validation and the test split.

        Args:
            network: What `build` made, or anything else that gives its logits.
        """

    @abstractmethod
    def save(self, network: nn.Module, genotype: Genotype, folder: Path) -> None:
        """Writes the network as it is deployed, into one file that says how to build it."""

    @property
    def stages(self) -> tuple[StageSettings, ...]:
        """The stages of the training."""
        if self._options.stages:
            return self._options.stages
        losses = self._options.losses
        if self._options.distill and not losses:
            losses = self._losses
        return (StageSettings(name=WHOLE, losses=losses),)
