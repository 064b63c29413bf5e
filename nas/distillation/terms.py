"""The terms of a distillation loss: which loss, how much of it, and where."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from pydantic import field_validator, model_validator
from torch import Tensor, nn

from nas.distillation.adapters import adapter_for
from nas.distillation.base import Compared, DistillationLoss, LossInfo
from nas.distillation.dry_run import Shape
from nas.distillation.losses import address, create_loss, find
from nas.distillation.options import require_not_negative
from nas.distillation.places import PENULTIMATE, STRIDE, Places
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
    declare: the coarsest map that has one size in both networks, the two coarsest ones (the sum of
    both), or the vector before the classifier. A loss that takes vectors as well takes that vector
    where the networks have no such map.

    Attributes:
        method: A loss, by its name or import path; `nas.distillation.describe` lists them. It is
            kept as what another process has to be told.
        weight: Factor of the loss, from 0. Without weight, ratio and balance, it is the published
            one on logits, and measured by the balance that the loss declares on features.
        ratio: Instead of the weight, see `nas.distillation.weighting.ratio_weight`.
        balance: Instead of the weight: how long the gradient of the weighted loss is when training
            begins, as a multiple of that of the labels' loss, on the parameters that it reaches.
        warmup: Share of the training over which the weight rises from 0.
        decay_to: Share of the weight that is left at the end of the training, reached linearly;
            0.25 takes FitNets' weight of 4 to 1.
        options: Of the loss. `mgd` learns its channels from the networks.
        student: Where the student's features are: a module path, ``stride=16``, ``stride=last``
            or ``penultimate``. ``logits`` is for losses that compare features and logits alike.
        teacher: Where the teacher's are. What is no module path need be given for the student
            only.
    """

    later = ("balance", "warmup", "decay_to")

    method: str
    weight: float | None = None
    ratio: float | None = None
    balance: float | None = None
    warmup: float | None = None
    decay_to: float | None = None
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
        """The weight, given, by ratio or published; with a balance, until it is measured."""
        if self.weight is not None:
            return self.weight
        if self.ratio is not None:
            return ratio_weight(self.ratio, self.info)
        return self.info.default_weight(self.compares)

    @property
    def gradient_share(self) -> float | None:
        """The balance, given or declared by the loss, or None where the weight is known."""
        if self.balance is not None:
            return self.balance
        if self.weight is not None or self.ratio is not None or self.compares == "logits":
            return None
        return self.info.balance

    def course(self, progress: float) -> float:
        """The share of the weight that counts at a point of the training, from 0 to 1."""
        share = 1.0 if self.decay_to is None else 1 + (self.decay_to - 1) * progress
        if self.warmup is not None and progress < self.warmup:
            share *= progress / self.warmup
        return share

    def _require_options(self) -> None:
        # On this device a loss with convolutions draws no random numbers.
        with torch.device("meta"):
            create_loss(self.method, **(_options(self, ((1, 1), (1, 1)), "classification")))

    def _require_one_weight(self) -> None:
        given = {
            name: value
            for name in ("weight", "ratio", "balance")
            if (value := getattr(self, name)) is not None
        }
        if len(given) > 1:
            first, second, *_ = given
            raise ValueError(f"{self.method!r} has a {first} and a {second}; give one of them")
        for name, value in given.items():
            require_not_negative(name, value)
        if self.balance == 0:
            raise ValueError("balance must be above 0; leave the loss out instead")
        if self.warmup is not None and not 0 < self.warmup <= 1:
            raise ValueError(f"warmup must be above 0 and at most 1, not {self.warmup!r}")
        if self.decay_to is not None:
            require_not_negative("decay_to", self.decay_to)

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
        student: Spot,
        teacher: Spot,
        adapter: nn.Module,
        loss: DistillationLoss,
        classifiers: tuple[nn.Module, ...] = (),
    ):
        super().__init__()
        # A tuple hides the networks' layers from `parameters`, `state_dict` and `to`.
        self._classifiers = classifiers
        self.student_path = student.path
        self.teacher_path = teacher.path
        self._pooled = (student.pooled, teacher.pooled)
        self.adapter = adapter
        self.loss = loss

    def forward(
        self,
        student: Mapping[str, Tensor],
        teacher: Mapping[str, Tensor],
        targets: Tensor | None = None,
    ) -> Tensor:
        """A scalar."""
        features = (student[self.student_path], teacher[self.teacher_path])
        of_student, of_teacher = (
            maps.flatten(2).mean(2) if pooled else maps
            for maps, pooled in zip(features, self._pooled, strict=True)
        )
        given = (self.adapter(of_student), of_teacher, *self._classifiers)
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
        _create_comparison(settings, (student, teacher), spots, kind)
        for spots in _compared(settings, student, teacher)
    ]
    return Term(settings, comparisons)


def _create_comparison(
    settings: TermSettings,
    networks: tuple[Places, Places],
    spots: tuple[Spot, Spot],
    kind: Kind,
) -> Comparison:
    shapes = (spots[0].shape, spots[1].shape)
    adapter: nn.Module = nn.Identity()
    # Logits need no adapter, but losses on maps have to find some.
    if settings.compares == "features" or "features" in settings.info.compares:
        adapter = adapter_for(settings.info, *shapes)
    loss = create_loss(settings.method, **_options(settings, shapes, kind))
    classifiers: tuple[nn.Module, ...] = ()
    if settings.info.needs_classifiers:
        classifiers = tuple(
            network.classifier_of(spot.path) for network, spot in zip(networks, spots, strict=True)
        )
    return Comparison(*spots, adapter, loss, classifiers)


@dataclass(frozen=True)
class Spot:
    """What is compared of a network.

    Attributes:
        path: Of the module; the empty one is the logits.
        shape: Of what is compared.
        pooled: Whether that is the mean of the module's map over its positions.
    """

    path: str
    shape: Shape
    pooled: bool = False


def _compared(settings: TermSettings, student: Places, teacher: Places) -> list[tuple[Spot, Spot]]:
    """What of student and teacher is compared, for each comparison."""
    if settings.compares == "logits":
        # Sizes of logits may differ: those of the teacher are brought to the student's.
        size = student.logits[2:]
        return [(Spot(OUTPUT, student.logits), Spot(OUTPUT, teacher.logits[:2] + size))]
    if settings.student is not None:
        place = settings.teacher if settings.teacher is not None else settings.student
        return [(_spot(student, settings.student), _spot(teacher, place))]
    info = settings.info
    if info.needs_classifiers and student.last is not None and teacher.last is not None:
        # What is averaged for the classifier; cells do not ask for maps of one size.
        return [(_spot(student, student.last), _spot(teacher, teacher.last))]
    if info.place != "penultimate":
        pairs = _maps_of_one_size(info, student, teacher)
        if pairs:
            return [(_spot(student, one), _spot(teacher, other)) for one, other in pairs]
        if info.maps_only:
            sizes = " and ".join(_sizes_told(places) for places in (student, teacher))
            raise ValueError(
                f"{info.name!r} compares maps of one size, and student and teacher have none: "
                f"{sizes}; give places in both, or choose a loss that compares logits or vectors"
            )
    return [(_spot(student, PENULTIMATE), _spot(teacher, PENULTIMATE))]


def _spot(places: Places, place: str) -> Spot:
    path = places.find(place)
    shape = places.shape(path)
    if place == PENULTIMATE and path != PENULTIMATE and len(shape) == 4:
        return Spot(path, shape[:2], pooled=True)
    return Spot(path, shape)


def _maps_of_one_size(info: LossInfo, student: Places, teacher: Places) -> list[tuple[str, str]]:
    """Paths of the maps that a loss compares by default, the finest first."""
    count = 2 if info.place == "two_last" else 1
    ours, theirs = student.sizes, teacher.sizes
    common = [(path, theirs[size]) for size, path in ours.items() if size in theirs]
    if not common and not info.equal_sizes:
        # The coarsest ones belong together; one network may have fewer.
        common = list(zip(reversed(ours.values()), reversed(theirs.values()), strict=False))[::-1]
    return common[-count:]


def _sizes_told(places: Places) -> str:
    sizes = ", ".join(f"{height}x{width}" for height, width in places.sizes)
    return sizes or ("tokens" if places.has_tokens else "no maps")


def _options(settings: TermSettings, shapes: tuple[Shape, Shape], kind: Kind) -> dict[str, Any]:
    return find(settings.method).options_for(*shapes, kind) | settings.options


def _is_path(place: str) -> bool:
    return not place.startswith(STRIDE) and place not in (PENULTIMATE, LOGITS)
