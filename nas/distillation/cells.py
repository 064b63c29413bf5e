"""Cells of a map: its parts on grids of several sizes, each with a vector of features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

Pool = Literal["average", "max", "both", "windows"]
"""How the features of a cell come from its part of the map. ``both`` adds average and maximum;
``windows`` averages windows of 2x2 cells that overlap, (n - 1)² for a grid of n x n."""

POOLS = ("average", "max", "both", "windows")

_EPSILON = 1e-6


def count_cells(levels: Sequence[int], pool: Pool) -> int:
    """Number of cells of grids with so many rows each; 21 for 4, 2 and 1."""
    return sum((level - 1) ** 2 if pool == "windows" else level**2 for level in levels)


def cells_of(maps: Tensor, levels: Sequence[int], pool: Pool) -> Tensor:
    """The features of the cells, grid after grid and row after row.

    Several grids are the spatial pyramid of He et al. 2014, https://arxiv.org/abs/1406.4729.

    Args:
        maps: N x channels x height x width.
        levels: Rows of each grid.
        pool: How the features of a cell come from its part of the map.

    Returns:
        N x channels x cells.
    """
    return torch.cat([_grid(maps, level, pool).flatten(2) for level in levels], dim=2)


def attention_maps(maps: Tensor) -> Tensor:
    """The squares of each channel over the norm of the channel's map, of the same shape.

    Unlike the attention of Zagoruyko and Komodakis 2017, channels are not added up.
    """
    squares = maps.square()
    norms = torch.linalg.vector_norm(squares, dim=(2, 3), keepdim=True)
    return squares / (norms + _EPSILON)


def _grid(maps: Tensor, level: int, pool: Pool) -> Tensor:
    if pool == "max":
        return functional.adaptive_max_pool2d(maps, level)
    average = functional.adaptive_avg_pool2d(maps, level)
    if pool == "both":
        return average + functional.adaptive_max_pool2d(maps, level)
    return functional.avg_pool2d(average, 2, stride=1) if pool == "windows" else average
