"""The settings of a candidate's full training, and what it came to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from torch import nn

from nas.distillation.terms import TermSettings
from nas.errors import UserError
from nas.training.stage_settings import StageSettings, StageTraining
from nas.training.stages import StageResult


@dataclass(frozen=True)
class FullTraining:
    """How a candidate is trained in full.

    Attributes:
        training: The training, of the kind that the configuration has.
        distill: Whether it learns from the teacher too.
        losses: Losses towards the teacher; the configuration's unless given.
        stages: Several stages in order, in place of `losses`.
        device: Where it is trained.
        seed: Of weights, order and augmentation.
        task_options: Options of the task in which it differs from the search, such as the size of
            the images; encoder, teacher and warm-up stay those of the search.

    Raises:
        UserError: If options exclude each other.
    """

    training: StageTraining
    distill: bool = True
    losses: tuple[TermSettings, ...] = ()
    stages: tuple[StageSettings, ...] = ()
    device: str = "auto"
    seed: int = 0
    task_options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.losses and self.stages:
            raise UserError("losses and stages are both given; give the losses within the stages.")
        if self.losses and not self.distill:
            raise UserError("there are losses towards a teacher, but distillation is off.")
        taught = [stage.name for stage in self.stages if stage.losses]
        if taught and not self.distill:
            raise UserError(
                f"stage {taught[0]!r} has losses towards the search's teacher, but distillation is "
                "off; leave out --no-distillation, or these losses."
            )
        if self.stages and self.distill and not taught:
            raise UserError(
                "no stage has a loss towards the search's teacher; give one in the stages, or use "
                "--no-distillation."
            )

    def settings(self) -> dict[str, Any]:
        """What makes it another training, as JSON takes it."""
        # Trainings that are older than this option keep their identity.
        task_options = {"task_options": dict(self.task_options)} if self.task_options else {}
        return {
            "training": self.training.model_dump(mode="json"),
            "distill": self.distill,
            "losses": [loss.model_dump(mode="json") for loss in self.losses],
            "stages": [stage.model_dump(mode="json") for stage in self.stages],
            "device": self.device,
            "seed": self.seed,
            **task_options,
        }


@dataclass(frozen=True)
class Trained:
    """A candidate after its full training.

    Attributes:
        network: As it is deployed, in evaluation mode, with the weights of its best epoch.
        epochs: Number of epochs that it was trained for, over all stages.
        best_epoch: The one that the weights come from, counted from 1 through all stages.
        loss_weights: Weights of the losses towards the teacher, by stage.
        log: Stage, epoch from 1, loss, score on the validation split and whether that was the best
            so far, for each epoch.
    """

    network: nn.Module
    epochs: int
    best_epoch: int
    loss_weights: dict[str, dict[str, float]]
    log: list[tuple[str, int, float, float, int]]

    @classmethod
    def of(cls, network: nn.Module, results: list[StageResult]) -> Self:
        """What stages came to."""
        *earlier, last = results
        before = sum(len(result.fit.history) for result in earlier)
        return cls(
            network=network,
            epochs=before + len(last.fit.history),
            best_epoch=before + last.fit.best.epoch + 1,
            loss_weights={result.name: result.losses for result in results},
            log=[
                (result.name, one.epoch + 1, one.loss, one.score, int(one.best))
                for result in results
                for one in result.fit.history
            ],
        )
