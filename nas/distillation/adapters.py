"""Layers that bring a student's features to the channels of its teacher's."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from nas.distillation.base import LossInfo


def create_adapter(student_shape: Sequence[int], teacher_shape: Sequence[int]) -> nn.Module:
    """The identity where the channels agree, else a regressor.

    Args:
        student_shape: N x channels, or N x channels x height x width.
        teacher_shape: The same of the teacher.

    Raises:
        ValueError: If one is a map and the other a vector, or neither is.
    """
    _require_one_kind(student_shape, teacher_shape)
    if student_shape[1] == teacher_shape[1]:
        return nn.Identity()
    return create_regressor(student_shape, teacher_shape)


def create_regressor(student_shape: Sequence[int], teacher_shape: Sequence[int]) -> nn.Module:
    """A 1x1 convolution between maps, or a linear layer between vectors.

    As in FitNets (Romero et al. 2015, https://arxiv.org/abs/1412.6550), whose regressor is also
    there where the channels agree.

    Args:
        student_shape: N x channels, or N x channels x height x width.
        teacher_shape: The same of the teacher.

    Raises:
        ValueError: If one is a map and the other a vector, or neither is.
    """
    _require_one_kind(student_shape, teacher_shape)
    if len(student_shape) == 4:
        return nn.Conv2d(student_shape[1], teacher_shape[1], kernel_size=1)
    return nn.Linear(student_shape[1], teacher_shape[1])


def adapter_for(
    loss: LossInfo, student_shape: Sequence[int], teacher_shape: Sequence[int]
) -> nn.Module:
    """What a loss on features needs before it, by what it declares.

    Args:
        loss: A loss that compares features.
        student_shape: Shape of the student's features.
        teacher_shape: Shape of the teacher's.

    Raises:
        ValueError: If the loss is not defined for such features, with both shapes.
    """
    _require_defined(loss, tuple(student_shape), tuple(teacher_shape))
    if loss.adapter == "none":
        return nn.Identity()
    if loss.adapter == "channels":
        return create_adapter(student_shape, teacher_shape)
    return create_regressor(student_shape, teacher_shape)


def _require_defined(
    loss: LossInfo, student_shape: tuple[int, ...], teacher_shape: tuple[int, ...]
) -> None:
    both = f"{student_shape} of the student and {teacher_shape} of the teacher"
    if loss.maps_only and not len(student_shape) == len(teacher_shape) == 4:
        raise ValueError(
            f"{loss.name!r} compares maps N x channels x height x width, not {both}; choose other "
            "places"
        )
    if loss.equal_sizes and student_shape[2:] != teacher_shape[2:]:
        raise ValueError(
            f"{loss.name!r} compares features of equal height and width, not {both}; choose places "
            "of one size"
        )


def _require_one_kind(student_shape: Sequence[int], teacher_shape: Sequence[int]) -> None:
    if len(student_shape) != len(teacher_shape) or len(student_shape) not in (2, 4):
        raise ValueError(
            "an adapter joins two maps N x channels x height x width or two vectors N x channels, "
            f"not {tuple(student_shape)} and {tuple(teacher_shape)}"
        )
