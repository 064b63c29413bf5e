"""What is retrained, and how."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from nas.deployment.onnx_export import ExportOptions
from nas.deployment.selection import Choice
from nas.distillation.terms import TermSettings
from nas.errors import UserError
from nas.searching.run_folder import RunFolder
from nas.settings import Settings
from nas.training.stage_settings import StageSettings, StageTraining


class RetrainStages(Settings):
    """Losses of a single stage, or several stages; the search's loss unless given.

    Attributes:
        losses: Losses towards the teacher.
        stages: Stages in order, each with its losses.
    """

    losses: tuple[TermSettings, ...] = ()
    stages: tuple[StageSettings, ...] = ()


@dataclass(frozen=True)
class RetrainOptions:
    """How a candidate is retrained.

    Attributes:
        training: The training, of the kind that the configuration has.
        distill: Whether it learns from the teacher too.
        losses: Losses towards the teacher; the configuration's unless given.
        stages: Several stages in order, in place of `losses`.
        device: Where it is trained and measured.
        seed: Of weights, order and augmentation.
        export: What is exported.

    Raises:
        UserError: If options exclude each other.
    """

    training: StageTraining
    distill: bool = True
    losses: tuple[TermSettings, ...] = ()
    stages: tuple[StageSettings, ...] = ()
    device: str = "auto"
    seed: int = 0
    export: ExportOptions = field(default_factory=ExportOptions)

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

    def folder(self, run: RunFolder, choice: Choice) -> Path:
        """Where the network goes: with and without distillation are kept apart."""
        suffix = "" if self.distill else "-no-distillation"
        return run.retrain / f"{choice.name}{suffix}"
