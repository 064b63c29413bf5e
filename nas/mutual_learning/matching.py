"""Which channels of one network belong to which of another's, and networks in that order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

Similarity = Literal["bmm", "cosine", "l2"]
Assignment = Literal["gale_shapley", "hungarian"]


@dataclass(frozen=True)
class Matching:
    """A one-to-one assignment of channels.

    Attributes:
        columns: C, the column of each row.
        rounds: New engagements of each round of proposals; empty for the Hungarian method.
    """

    columns: Tensor
    rounds: tuple[int, ...] = ()


def match_channels(
    first: Tensor,
    second: Tensor,
    similarity: Similarity = "l2",
    standardised: bool = True,
    assignment: Assignment = "gale_shapley",
) -> Matching:
    """Matches the channels of two feature maps of the same images.

    Args:
        first: N x C x H x W; its channels propose.
        second: Of the same shape.
        similarity: What `channel_similarity` takes.
        standardised: Likewise.
        assignment: gale_shapley, a stable matching, or hungarian, the largest total similarity.

    Raises:
        ValueError: If the shapes differ.
    """
    similar = channel_similarity(first, second, similarity, standardised)
    return gale_shapley(similar) if assignment == "gale_shapley" else hungarian(similar)


def channel_similarity(
    first: Tensor, second: Tensor, similarity: Similarity = "l2", standardised: bool = True
) -> Tensor:
    """How much each channel of one map resembles each of another, C x C in float64.

    Args:
        first: N x C x H x W.
        second: Of the same shape and the same images.
        similarity: Of the responses over images and positions: bmm, their mean product; cosine of
            the angle between them; l2, the negative distance.
        standardised: Whether each channel is first brought to mean 0 and standard deviation 1.

    Raises:
        ValueError: If the shapes differ.
    """
    if first.shape != second.shape or first.ndim != 4:
        raise ValueError(
            f"channels are matched between maps N x C x H x W of one shape, not "
            f"{tuple(first.shape)} and {tuple(second.shape)}"
        )
    rows, columns = (_responses(maps, standardised) for maps in (first, second))
    if similarity == "cosine":
        rows, columns = (_unit(responses) for responses in (rows, columns))
        return rows @ columns.T
    if similarity == "bmm":
        return rows @ columns.T / rows.shape[1]
    # By products of matrices, equal channels would be a rounding error apart.
    return -torch.cdist(rows, columns, compute_mode="donot_use_mm_for_euclid_dist")


def gale_shapley(similarity: Tensor) -> Matching:
    """The stable matching that is best for the rows, which propose.

    In each round every free row proposes to the column it likes best among those that have not
    refused it, and every column keeps the best of its proposals (Gale and Shapley 1962, College
    Admissions and the Stability of Marriage). There are at most C² proposals. Ties go to the lower
    index.

    Args:
        similarity: C x C; a row prefers columns of high values, and a column rows.
    """
    _require_square(similarity)
    values = similarity.tolist()
    count = len(values)
    wishes = [sorted(range(count), key=lambda c, row=row: -row[c]) for row in values]  # type: ignore[misc]
    asked = [0] * count
    kept: dict[int, int] = {}
    free, rounds = list(range(count)), []
    while free:
        refused, before = [], len(kept)
        for row in free:
            column = wishes[row][asked[row]]
            asked[row] += 1
            rival = kept.get(column)
            if rival is None:
                kept[column] = row
            elif (-values[row][column], row) < (-values[rival][column], rival):
                kept[column] = row
                refused.append(rival)
            else:
                refused.append(row)
        free = refused
        rounds.append(len(kept) - before)
    columns = torch.empty(count, dtype=torch.int64)
    for column, row in kept.items():
        columns[row] = column
    return Matching(columns, tuple(rounds))


def hungarian(similarity: Tensor) -> Matching:
    """The matching of the largest total similarity.

    Kuhn 1955, The Hungarian Method for the Assignment Problem, as scipy solves it.

    Args:
        similarity: C x C.
    """
    _require_square(similarity)
    _, columns = linear_sum_assignment(similarity.numpy(), maximize=True)
    return Matching(torch.as_tensor(columns, dtype=torch.int64))


def _responses(maps: Tensor, standardised: bool) -> Tensor:
    """C x (N H W) in float64."""
    rows = maps.detach().double().cpu().transpose(0, 1).flatten(1)
    if not standardised:
        return rows
    centred = rows - rows.mean(dim=1, keepdim=True)
    deviation = centred.square().mean(dim=1, keepdim=True).sqrt()
    # A channel that never changes resembles none.
    return torch.where(deviation > 0, centred / deviation.clamp(min=1e-300), 0.0)


def _unit(rows: Tensor) -> Tensor:
    norm = torch.linalg.vector_norm(rows, dim=1, keepdim=True)
    return torch.where(norm > 0, rows / norm.clamp(min=1e-300), 0.0)


def _require_square(similarity: Tensor) -> None:
    if similarity.ndim != 2 or similarity.shape[0] != similarity.shape[1]:
        raise ValueError(f"a matching is one to one, not between {tuple(similarity.shape)}")
