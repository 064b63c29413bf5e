"""What all distillation losses share: full precision, a detached teacher, a telling `repr`."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import ClassVar, TypeVar, cast

import torch
from torch import Tensor, nn

IGNORED_TARGET = -100
"""The class of samples and pixels that a loss with targets passes over, as in torch."""

_Forward = TypeVar("_Forward", bound=Callable[..., Tensor])


class DistillationLoss(nn.Module):
    """A scalar loss of a student towards its teacher, called with (student, teacher).

    Every option of the constructor is kept as an attribute of the same name.

    Attributes:
        needs_targets: Whether the call takes the true classes as a third argument;
            those that are `IGNORED_TARGET` are passed over unless an option says otherwise.
    """

    needs_targets: ClassVar[bool] = False

    def __init__(self) -> None:
        super().__init__()

    def extra_repr(self) -> str:
        """The options; a checkpoint tells one loss from another by them."""
        options = inspect.signature(type(self)).parameters
        return ", ".join(f"{option}={getattr(self, option)}" for option in options)


def in_float32(forward: _Forward) -> _Forward:
    """Hands float32 tensors to a loss, without autocast, and the teacher's without its graph.

    Squares and Gram matrices of half-precision activations overflow, and autocast would bring
    the products of float32 tensors back to half precision.
    """

    @functools.wraps(forward)
    def wrapped(
        loss: DistillationLoss, student: Tensor, teacher: Tensor, *rest: Tensor, **named: Tensor
    ) -> Tensor:
        student, teacher = student.float(), teacher.detach().float()
        if not torch.is_autocast_enabled(student.device.type):
            # Leaving the context out saves a tenth of the time of a small loss.
            return forward(loss, student, teacher, *rest, **named)
        with torch.autocast(student.device.type, enabled=False):
            return forward(loss, student, teacher, *rest, **named)

    return cast(_Forward, wrapped)
