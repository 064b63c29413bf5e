"""Distillation on logits.

Every loss is a module called with (student, teacher). It computes in float32 whatever comes in
(squares of half-precision logits overflow), detaches the teacher, and refuses unequal shapes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


class LogitMSE(nn.Module):
    """Mean squared difference of the logits (Ba and Caruana 2014, https://arxiv.org/abs/1312.6184)."""

    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        """A scalar, for logits of equal shape with the classes in dimension 1."""
        student, teacher = _prepare(student, teacher)
        return functional.mse_loss(student, teacher)


class SoftTarget(nn.Module):
    """T² times the KL divergence of softened predictions (Hinton et al. 2015).

    The mean is over samples and positions, the sum over classes
    (https://arxiv.org/abs/1503.02531).

    Args:
        temperature: T, above 0.
    """

    def __init__(self, temperature: float = 4.0):
        super().__init__()
        if temperature <= 0:
            raise ValueError(f"the temperature must be above 0, not {temperature}")
        self.temperature = temperature

    def extra_repr(self) -> str:
        """What `repr` shows of it."""
        return f"temperature={self.temperature}"

    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        """A scalar, for logits of equal shape with the classes in dimension 1."""
        student, teacher = _prepare(student, teacher)
        log_student = functional.log_softmax(student / self.temperature, dim=1)
        log_teacher = functional.log_softmax(teacher / self.temperature, dim=1)
        divergence = (log_teacher.exp() * (log_teacher - log_student)).sum(dim=1)
        return divergence.mean() * self.temperature**2


_LOSSES: dict[str, Callable[..., nn.Module]] = {
    "logit_mse": LogitMSE,
    "soft_target": SoftTarget,
}


def names() -> tuple[str, ...]:
    """The known losses."""
    return tuple(sorted(_LOSSES))


def create_loss(name: str, **options: Any) -> nn.Module:
    """Makes a loss by name.

    Raises:
        ValueError: If there is no such loss, or an option does not fit it.
    """
    if name not in _LOSSES:
        raise ValueError(f"no distillation loss {name!r}; known: {', '.join(names())}")
    try:
        return _LOSSES[name](**options)
    except TypeError as error:
        raise ValueError(f"distillation loss {name!r}: {error}") from error


def _prepare(student: Tensor, teacher: Tensor) -> tuple[Tensor, Tensor]:
    if student.shape != teacher.shape:
        raise ValueError(
            f"student and teacher have unequal shapes: {tuple(student.shape)} "
            f"and {tuple(teacher.shape)}"
        )
    return student.to(torch.float32), teacher.detach().to(torch.float32)
