"""What a distillation loss is, and what it says of itself."""

from __future__ import annotations

import inspect
import math
import re
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, get_args

import torch
from torch import Tensor, nn

IGNORED_TARGET = -100
"""The class of samples and pixels that a loss with targets passes over, as in torch."""

Compared = Literal["logits", "features"]
"""What a loss is called with."""

DefaultPlace = Literal["last", "two_last", "penultimate"]
"""Where features are compared by default: at the last map of the coarsest stride, at those of the
two coarsest strides (the sum of both), or at the vector before the classifier."""

Adapter = Literal["none", "channels", "regressor"]
"""What brings the student's channels to the teacher's: nothing, an adapter where they differ, or a
regressor, also where they agree."""


@dataclass(frozen=True)
class LossOption:
    """An option of a loss.

    Attributes:
        name: Its name.
        required: Whether it has to be given.
        default: Its value when it is not given; None if it is required.
    """

    name: str
    required: bool
    default: Any = None

    def __str__(self) -> str:
        return self.name if self.required else f"{self.name}={self.default!r}"


@dataclass(frozen=True)
class LossInfo:
    """All that a loss declares about itself.

    Attributes:
        name: What `create_loss` calls it; letters, digits and underscores.
        compares: What it is called with; the usual choice first.
        summary: What it compares, in one line.
        paper: Authors, year and title.
        link: Where the paper is.
        needs_targets: Whether it is called with (student, teacher, targets), where targets are the
            true classes; those that are `IGNORED_TARGET` are passed over unless an option says
            otherwise.
        needs_classifiers: Whether it is called with (student, teacher, student_classifier,
            teacher_classifier), which turn features M x channels of their maps into logits.
        weight: Factor beside the loss on the labels, by default: the published one.
        weight_on_features: The same on features, where it differs.
        balance: Length of the weighted loss's gradient on features, by default, as a multiple of
            that of the labels' loss when training begins. The weight is then measured: a published
            one belongs to the layers, sizes and batches that it was found with. None takes the
            published weight on features too.
        ratio_is_weight: Whether `ratio_weight` gives the ratio itself.
        place: Where features are compared by default.
        maps_only: Whether features have to be maps, and not vectors.
        equal_sizes: Whether maps have to be of equal height and width.
        adapter: What brings the student's channels to the teacher's.
        options: What it can be made with, as `describe` fills it in from the constructor.

    Raises:
        ValueError: If a value is none of those.
    """

    name: str
    compares: tuple[Compared, ...]
    summary: str = ""
    paper: str = ""
    link: str = ""
    needs_targets: bool = False
    needs_classifiers: bool = False
    weight: float = 1.0
    weight_on_features: float | None = None
    balance: float | None = None
    ratio_is_weight: bool = False
    place: DefaultPlace = "last"
    maps_only: bool = False
    equal_sizes: bool = True
    adapter: Adapter = "channels"
    options: tuple[LossOption, ...] = ()

    def __post_init__(self) -> None:
        if not re.fullmatch(r"\w+", self.name):
            raise ValueError(
                f"the name of a loss has letters, digits and underscores, unlike {self.name!r}"
            )
        if not isinstance(self.compares, tuple) or not self.compares:
            raise ValueError(f"{self.name!r} must compare a tuple of things, not {self.compares!r}")
        for what, values, known in (
            ("compare", self.compares, get_args(Compared)),
            ("have the place", (self.place,), get_args(DefaultPlace)),
            ("have the adapter", (self.adapter,), get_args(Adapter)),
        ):
            wrong = [value for value in values if value not in known]
            if wrong:
                raise ValueError(
                    f"{self.name!r} cannot {what} {wrong[0]!r}; choose from {', '.join(known)}"
                )
        for weight in (self.weight, self.default_weight("features")):
            if not (math.isfinite(weight) and weight > 0):
                raise ValueError(f"the default weight of {self.name!r} must be above 0")
        if self.balance is not None and not (math.isfinite(self.balance) and self.balance > 0):
            raise ValueError(f"the default balance of {self.name!r} must be above 0")

    def default_weight(self, compares: Compared) -> float:
        """The weight of a term that is given none."""
        if compares == "features" and self.weight_on_features is not None:
            return self.weight_on_features
        return self.weight


class DistillationLoss(nn.Module):
    """A scalar loss of a student towards its teacher, called with (student, teacher).

    It is always computed in float32, and the teacher's side without its graph. Every option of the
    constructor is kept as an attribute of the same name.

    Attributes:
        info: What the loss declares about itself.
    """

    info: ClassVar[LossInfo]

    def __init__(self) -> None:
        super().__init__()

    @property
    def needs_targets(self) -> bool:
        """Whether the call takes the true classes as a third argument."""
        return self.info.needs_targets

    @classmethod
    def options_for(
        cls, student_shape: tuple[int, ...], teacher_shape: tuple[int, ...], kind: str
    ) -> dict[str, Any]:
        """Options that follow from what is compared, unless they are given.

        Args:
            student_shape: Shape of the student's logits or features, channels in dimension 1.
            teacher_shape: Shape of the teacher's.
            kind: Of the task, ``classification`` or ``segmentation``.
        """
        return {}

    def __call__(self, student: Tensor, teacher: Tensor, *others: Any) -> Tensor:
        """A scalar in float32; what comes third are targets or classifiers.

        Squares and Gram matrices of half-precision activations overflow, and autocast would bring
        the products of float32 tensors back to half precision.
        """
        student, teacher = student.float(), teacher.detach().float()
        loss: Tensor
        if not torch.is_autocast_enabled(student.device.type):
            # Leaving the context out saves a tenth of the time of a small loss.
            loss = super().__call__(student, teacher, *others)
            return loss
        with torch.autocast(student.device.type, enabled=False):
            loss = super().__call__(student, teacher, *others)
            return loss

    def extra_repr(self) -> str:
        """The options; a checkpoint tells one loss from another by them."""
        options = inspect.signature(type(self)).parameters
        return ", ".join(f"{option}={getattr(self, option)}" for option in options)
