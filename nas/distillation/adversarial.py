"""The loss of a student whose features a discriminator cannot tell from its teacher's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional

from nas.distillation.base import DistillationLoss, LossInfo
from nas.distillation.inputs import require_equal_batches
from nas.distillation.options import require_count

_STUDENT, _TEACHER = 0, 1


class Adversarial(DistillationLoss):
    """Adversarial transfer of features (Tzeng et al. 2017, https://arxiv.org/abs/1702.05464).

    A discriminator, a perceptron with two hidden layers, learns to tell the features of both
    networks apart, and the student learns to be taken for the teacher. Both cross-entropies are in
    the loss and each reaches one of the two alone, so that every step is one of both. The
    discriminator learns with the student's optimiser. Maps are averaged over their positions.

    Args:
        channels: Length of the features.
        hidden: Widths of the hidden layers.
    """

    info = LossInfo(
        name="adversarial",
        compares=("features",),
        summary="whether a discriminator tells the features of both networks apart",
        paper="Tzeng et al. 2017, Adversarial Discriminative Domain Adaptation",
        link="https://arxiv.org/abs/1702.05464",
        # None is published: equal to the cross-entropy. At the start the discriminator knows
        # nothing, so no weight can be measured by its gradient.
        weight=1.0,
        place="penultimate",
        equal_sizes=False,
    )

    def __init__(self, channels: int, hidden: Sequence[int] = (2048, 1024)):
        super().__init__()
        require_count("channels", channels)
        if not isinstance(hidden, list | tuple) or not hidden:
            raise ValueError(f"hidden must be a list of widths, not {hidden!r}")
        for width in hidden:
            require_count("every width of hidden", width)
        self.channels = channels
        self.hidden = tuple(hidden)
        widths = (channels, *self.hidden)
        layers: list[nn.Module] = []
        for before, after in zip(widths, self.hidden, strict=False):
            layers += [nn.Linear(before, after), nn.ReLU()]
        self.discriminator = nn.Sequential(*layers, nn.Linear(widths[-1], 2))

    @classmethod
    def options_for(
        cls, student_shape: tuple[int, ...], teacher_shape: tuple[int, ...], kind: str
    ) -> dict[str, Any]:
        """The channels of the teacher, which the student's are brought to."""
        return {"channels": teacher_shape[1]}

    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        """A scalar, for features N x channels x anything.

        Raises:
            ValueError: If the batches or the channels differ.
        """
        require_equal_batches(student, teacher)
        if student.shape[1] != self.channels or teacher.shape[1] != self.channels:
            raise ValueError(
                f"the discriminator takes {self.channels} channels, not {student.shape[1]} of the "
                f"student and {teacher.shape[1]} of the teacher"
            )
        ours, theirs = (features.flatten(2).mean(2) for features in _maps(student, teacher))
        known = torch.cat([ours.detach(), theirs])
        classes = torch.tensor([_STUDENT, _TEACHER], device=known.device)
        told_apart = functional.cross_entropy(
            self.discriminator(known), classes.repeat_interleave(len(ours))
        )
        fixed = {name: value.detach() for name, value in self.discriminator.named_parameters()}
        judged = functional_call(self.discriminator, fixed, ours)
        return told_apart + functional.cross_entropy(
            judged, torch.full_like(classes[:1], _TEACHER).expand(len(ours))
        )


def _maps(*features: Tensor) -> list[Tensor]:
    """The same with at least one position."""
    return [one.unsqueeze(2) if one.ndim == 2 else one for one in features]
