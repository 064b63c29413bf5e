"""What a user says about how a candidate learns from the teacher."""

from __future__ import annotations

from nas.distillation.terms import TermSettings
from nas.settings import Settings
from nas.training.stage_settings import StageSettings


class RetrainStages(Settings):
    """Losses of a single stage, or several stages; the search's loss unless given.

    Attributes:
        losses: Losses towards the teacher.
        stages: Stages in order, each with its losses.
    """

    losses: tuple[TermSettings, ...] = ()
    stages: tuple[StageSettings, ...] = ()
