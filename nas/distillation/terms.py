"""The terms of a distillation loss: which loss, how much of it, and where."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import torch
from pydantic import field_validator, model_validator
from torch import Tensor, nn

from nas.distillation.adapters import adapter_for
from nas.distillation.base import Compared, DistillationLoss, LossInfo
from nas.distillation.dry_run import Shape
from nas.distillation.losses import address, create_loss, find
from nas.distillation.options import require_not_negative
from nas.distillation.places import LAST_STRIDE, PENULTIMATE, STRIDE, Places
from nas.distillation.weighting import ratio_weight
from nas.settings import Settings

Kind = Literal["classification", "segmentation"]

LOGITS = "logits"
"""The place of what the network gives."""

OUTPUT = ""
"""The path of what the network gives."""


class TermSettings(Settings):
    """A loss towards the teacher.

    Without places, losses on logits take the logits, and losses on features the places that they
    declare: the last map at the coarsest stride, those at the two coarsest strides (the sum of
    both), or the vector before the classifier.

    Attributes:
        method: A loss, by its name or import path; `nas.distillation.describe` lists them. It is
            kept as what another process has to be told.
        weight: Factor of the loss, from 0. Without weight and ratio it is the published one, which
            the loss declares.
        ratio: Instead of the weight, see `nas.distillation.weighting.ratio_weight`.
        options: Of the loss. `mgd` learns its channels from the networks.
        student: Where the student's features are: a module path, ``stride=16``, ``stride=last``
            or ``penultimate``. ``logits`` is for losses that compare features and logits alike.
        teacher: Where the teacher's are. What is no module path need be given for the student
            only.
    """

    method: str
    weight: float | None = None
    ratio: float | None = None
    options: dict[str, Any] = {}
    student: str | None = None
    teacher: str | None = None

    @field_validator("method")
    @classmethod
    def _known(cls, method: str) -> str:
        return address(method)

    @model_validator(mode="after")
    def _consistent(self) -> TermSettings:
        self._require_options()
        self._require_one_weight()
        self._require_places()
        return self

    @property
    def info(self) -> LossInfo:
        """What the loss declares about itself."""
        return find(self.method).info

    @property
    def compares(self) -> Compared:
        """What the loss is called with."""
        if self.student is None:
            return self.info.compares[0]
        return "logits" if self.student == LOGITS else "features"

    @property
    def needs_targets(self) -> bool:
        """Whether the loss is called with the true classes as well."""
        return self.info.needs_targets

    @property
    def factor(self) -> float:
        """The weight, given, by ratio or published."""
        if self.weight is not None:
            return self.weight
        if self.ratio is not None:
            return ratio_weight(self.ratio, self.info)
        return self.info.default_weight(self.compares)

    def _require_options(self) -> None:
        # On this device a loss with convolutions draws no random numbers.
        with torch.device("meta"):
            create_loss(self.method, **(_options(self, ((1, 1), (1, 1)), "classification")))

    def _require_one_weight(self) -> None:
        if self.weight is not None and self.ratio is not None:
            raise ValueError(f"{self.method!r} has a weight and a ratio; give one of them")
        for name, value in (("weight", self.weight), ("ratio", self.ratio)):
            if value is not None:
                require_not_negative(name, value)

    def _require_places(self) -> None:
        compares = self.info.compares
        places = (self.student, self.teacher)
        if compares == ("logits",) and places != (None, None):
            raise ValueError(f"{self.method!r} compares logits alone; leave its places out")
        if LOGITS in places and LOGITS not in compares:
            raise ValueError(
                f"{self.method!r} compares features; choose a place inside the network"
            )
        if self.student is None and self.teacher is not None:
            raise ValueError(f"{self.method!r} has a place in the teacher and none in the student")
        if self.student is not None and self.teacher is None and _is_path(self.student):
            raise ValueError(
                f"{self.method!r} has the module {self.student!r} of the student and none of the "
                "teacher; give both"
            )
        if self.teacher is not None and (self.student == LOGITS) != (self.teacher == LOGITS):
            raise ValueError(f"{self.method!r} cannot compare logits with features")


class Term(nn.Module):
    """A loss at one place or more; what learns in it are adapters and generators.

    Attributes:
        weight: Factor of the loss, which the call leaves out.
        needs_targets: Whether the loss takes the true classes.
        student_paths: Paths of the student's modules; the empty one is its logits.
        teacher_paths: The same of the teacher.
    """

    def __init__(self, settings: TermSettings, comparisons: list[Comparison]):
        super().__init__()
        self.weight = settings.factor
        self.needs_targets = settings.needs_targets
        self.student_paths = tuple(comparison.student_path for comparison in comparisons)
        self.teacher_paths = tuple(comparison.teacher_path for comparison in comparisons)
        self.comparisons = nn.ModuleList(comparisons)

    def forward(
        self,
        student: Mapping[str, Tensor],
        teacher: Mapping[str, Tensor],
        targets: Tensor | None = None,
    ) -> Tensor:
        """The sum over the places, without the weight.

        Args:
            student: What the student's modules give, by path.
            teacher: The same of the teacher.
            targets: The true classes, for losses that need them.
        """
        losses = [comparison(student, teacher, targets) for comparison in self.comparisons]
        return torch.stack(losses).sum()

    def extra_repr(self) -> str:
        return f"weight={self.weight}"


class Comparison(nn.Module):
    """A loss between a module of the student and one of the teacher."""

    def __init__(
        self,
        student_path: str,
        teacher_path: str,
        adapter: nn.Module,
        loss: DistillationLoss,
        classifiers: tuple[nn.Module, ...] = (),
    ):
        super().__init__()
        # A tuple hides the networks' layers from `parameters`, `state_dict` and `to`.
        self._classifiers = classifiers
        self.student_path = student_path
        self.teacher_path = teacher_path
        self.adapter = adapter
        self.loss = loss

    def forward(
        self,
        student: Mapping[str, Tensor],
        teacher: Mapping[str, Tensor],
        targets: Tensor | None = None,
    ) -> Tensor:
        """A scalar."""
        adapted = self.adapter(student[self.student_path])
        given = (adapted, teacher[self.teacher_path], *self._classifiers)
        loss: Tensor = self.loss(*given, targets) if self.loss.needs_targets else self.loss(*given)
        return loss

    def extra_repr(self) -> str:
        return f"student={self.student_path or LOGITS}, teacher={self.teacher_path or LOGITS}"


def create_term(settings: TermSettings, student: Places, teacher: Places, kind: Kind) -> Term:
    """Makes a term for two networks.

    Raises:
        ValueError: If a place does not exist, or the loss is not defined for what is there.
    """
    comparisons = [
        _create_comparison(settings, (student, teacher), paths, shapes, kind)
        for paths, shapes in _compared(settings, student, teacher)
    ]
    return Term(settings, comparisons)


def _create_comparison(
    settings: TermSettings,
    networks: tuple[Places, Places],
    paths: tuple[str, str],
    shapes: tuple[Shape, Shape],
    kind: Kind,
) -> Comparison:
    adapter: nn.Module = nn.Identity()
    # Logits need no adapter, but losses on maps have to find some.
    if settings.compares == "features" or "features" in settings.info.compares:
        adapter = adapter_for(settings.info, *shapes)
    loss = create_loss(settings.method, **_options(settings, shapes, kind))
    classifiers: tuple[nn.Module, ...] = ()
    if settings.info.needs_classifiers:
        classifiers = tuple(
            network.classifier_of(path) for network, path in zip(networks, paths, strict=True)
        )
    return Comparison(*paths, adapter, loss, classifiers)


def _compared(
    settings: TermSettings, student: Places, teacher: Places
) -> list[tuple[tuple[str, str], tuple[Shape, Shape]]]:
    """Paths of student and teacher, and the shapes there, for each comparison."""
    if settings.compares == "logits":
        # Sizes of logits may differ: those of the teacher are brought to the student's.
        size = student.logits[2:]
        return [((OUTPUT, OUTPUT), (student.logits, teacher.logits[:2] + size))]
    if settings.student is not None:
        place = settings.teacher if settings.teacher is not None else settings.student
        pairs = [(student.find(settings.student), teacher.find(place))]
    elif settings.info.place == "two_last" and student.strides and teacher.strides:
        strides = (list(student.strides.values())[-2:], list(teacher.strides.values())[-2:])
        # A network may have one stride only; the coarsest ones belong together.
        pairs = list(zip(reversed(strides[0]), reversed(strides[1]), strict=False))[::-1]
    else:
        place = PENULTIMATE if settings.info.place == "penultimate" else LAST_STRIDE
        pairs = [(student.find(place), teacher.find(place))]
    return [(pair, (student.shape(pair[0]), teacher.shape(pair[1]))) for pair in pairs]


def _options(settings: TermSettings, shapes: tuple[Shape, Shape], kind: Kind) -> dict[str, Any]:
    return find(settings.method).options_for(*shapes, kind) | settings.options


def _is_path(place: str) -> bool:
    return not place.startswith(STRIDE) and place not in (PENULTIMATE, LOGITS)
