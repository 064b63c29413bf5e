"""What the stages of a training are, and in which order they can be run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Self

from pydantic import Field, model_validator

from nas.distillation.terms import TermSettings
from nas.durations import Duration
from nas.errors import UserError
from nas.settings import Settings, overridden, validate

INITIAL = "initial"
"""Name of the weights before the first stage."""


class StageTraining(Settings):
    """Settings of the training of a stage; those of each kind of task say more.

    Attributes:
        epochs: Passes over the training split.
        time: What the training may take, for example 2h or 90m, in place of `epochs`: a few steps
            are timed, and as many epochs made as fit. Null keeps the epochs.
    """

    later: ClassVar[tuple[str, ...]] = ("time",)

    epochs: int = Field(30, ge=1)
    time: Duration | None = Field(None, gt=0)


class StageSettings(Settings):
    """One stage of a training.

    Attributes:
        name: Of the stage, for its files and for later stages.
        start: Name of the earlier stage whose weights it begins with, or ``initial``; null is the
            stage before.
        train: Paths of the modules that learn; empty for all that `freeze` does not name.
        freeze: Paths of the modules that stay as they are, batch-norm statistics included.
        rates: Factor of the learning rate by module path.
        fresh: Paths of the modules that begin with the weights before the first stage, for example
            a random classifier on a backbone that learned in the stage before.
        from_teacher: Modules that begin with the weights of a module of the teacher, by path: its
            path in the teacher by that in the network.
        task_weight: Weight of the loss on the labels.
        losses: Losses towards the teacher.
        training: Settings of the training that differ in this stage, by key.
    """

    later = ("fresh", "from_teacher")

    name: str = Field(pattern=r"^[A-Za-z0-9_-]+$")
    start: str | None = None
    train: tuple[str, ...] = ()
    freeze: tuple[str, ...] = ()
    rates: dict[str, float] = Field(default_factory=dict)
    fresh: tuple[str, ...] | None = None
    from_teacher: dict[str, str] | None = None
    task_weight: float = Field(1.0, ge=0)
    losses: tuple[TermSettings, ...] = ()
    training: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.train and self.freeze:
            raise ValueError(f"stage {self.name}: give train or freeze, not both")
        both = [path for path in self.fresh or () if path in (self.from_teacher or {})]
        if both:
            raise ValueError(
                f"stage {self.name}: {both[0]!r} cannot be fresh and come from_teacher; choose one"
            )
        wrong = [path for path, rate in self.rates.items() if not rate > 0]
        if wrong:
            raise ValueError(f"stage {self.name}: the rate of {wrong[0]!r} must be above 0")
        if self.task_weight == 0 and not self.losses:
            raise ValueError(
                f"stage {self.name}: task_weight 0 without losses leaves nothing to learn"
            )
        return self

    def applied_to(self, common: StageTraining) -> StageTraining:
        """The settings of the training of this stage.

        Args:
            common: Those of all stages.

        Raises:
            UserError: If a setting of the stage is wrong.
        """
        values = overridden(common.model_dump(mode="json"), self.training)
        return validate(type(common), values, "training")


def check_stages(stages: Sequence[StageSettings], has_teacher: bool) -> None:
    """Refuses a list of stages that cannot be run in order.

    Raises:
        UserError: One sentence that says which stage and why.
    """
    if not stages:
        raise UserError("stages: give at least one.")
    known = [INITIAL]
    for stage in stages:
        if stage.name in known:
            raise UserError(
                f"stages: the name {stage.name!r} is taken; give every stage a name of its own, "
                f"and none the name {INITIAL!r}."
            )
        if stage.start is not None and stage.start not in known:
            raise UserError(
                f"stage {stage.name}: it starts from {stage.start!r}, which is no earlier stage; "
                f"choose one of {', '.join(known)}."
            )
        if stage.losses and not has_teacher:
            raise UserError(f"the losses of stage {stage.name!r} need a teacher; give --teacher.")
        if stage.from_teacher and not has_teacher:
            raise UserError(f"from_teacher of stage {stage.name!r} needs one; give --teacher.")
        known.append(stage.name)
    if has_teacher and not any(stage.losses for stage in stages):
        raise UserError(
            "a teacher is given and no loss towards it; give --method, or losses in the config."
        )
