"""Checks and fitting of the tensors that a loss compares."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional


def require_equal_shapes(student: Tensor, teacher: Tensor) -> None:
    """Refuses tensors of unequal shape, also where they would broadcast.

    Raises:
        ValueError: If the shapes differ.
    """
    if student.shape != teacher.shape:
        raise ValueError(f"student and teacher have unequal shapes: {_shapes(student, teacher)}")


def require_logits(student: Tensor, teacher: Tensor) -> None:
    """Refuses what is not a pair of logits of equal shape with two classes or more.

    Raises:
        ValueError: If the shapes differ or have no dimension of classes.
    """
    require_equal_shapes(student, teacher)
    if student.ndim < 2 or student.shape[1] < 2:
        raise ValueError(
            "this loss compares logits with at least two classes in dimension 1, not tensors "
            f"of shape {tuple(student.shape)}"
        )


def require_equal_batches(student: Tensor, teacher: Tensor) -> None:
    """Refuses batches of unequal size; their samples have to be the same.

    Raises:
        ValueError: If the batches differ, or a tensor has no dimension beside the batch.
    """
    if student.ndim < 2 or teacher.ndim < 2 or student.shape[0] != teacher.shape[0]:
        raise ValueError(
            "student and teacher must hold features of the same samples, not "
            f"{_shapes(student, teacher)}"
        )


def require_maps(student: Tensor, teacher: Tensor) -> None:
    """Refuses what is not a pair of maps, N x channels x height x width, of one N.

    Raises:
        ValueError: If a tensor has another number of dimensions, or the batches differ.
    """
    if student.ndim != 4 or teacher.ndim != 4 or student.shape[0] != teacher.shape[0]:
        raise ValueError(
            "student and teacher must be maps N x channels x height x width of the same samples, "
            f"not {_shapes(student, teacher)}"
        )


def pool_to_smaller(student: Tensor, teacher: Tensor) -> tuple[Tensor, Tensor]:
    """Averages maps to the smaller height and the smaller width of the two.

    Args:
        student: N x channels x height x width.
        teacher: N x any channels x any height x any width.
    """
    size = (
        min(student.shape[2], teacher.shape[2]),
        min(student.shape[3], teacher.shape[3]),
    )
    return _pool(student, size), _pool(teacher, size)


def _pool(maps: Tensor, size: tuple[int, int]) -> Tensor:
    if tuple(maps.shape[2:]) == size:
        return maps
    return functional.adaptive_avg_pool2d(maps, size)


def _shapes(student: Tensor, teacher: Tensor) -> str:
    return f"{tuple(student.shape)} and {tuple(teacher.shape)}"
