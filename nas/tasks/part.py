"""A part of a large training split, in which classes are as frequent as in all of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from nas.tasks.task import Task

LARGE = 2**30
"""Bytes of the training images beyond which a search takes a part of them unless told otherwise."""

PART = 4000
"""Images of that part, as Nekrasov et al. take them (CVPR 2019, https://arxiv.org/abs/1810.10804)."""

_SEED = 0

TaskT = TypeVar("TaskT", bound=Task)
PartSize = Annotated[int, Field(ge=2)] | Literal["auto", "all"]


def with_part(task: TaskT, size: PartSize) -> TaskT:
    """The task with a stratified part of its training images; validation and test are whole.

    Args:
        task: Of any kind.
        size: Number of training images; all if there are no more. "auto" is `PART` where all of
            them take more than `LARGE` bytes.
    """
    source = task.sources["train"]
    count = len(source.names)
    if size == "auto":
        height, width = task.input_size
        size = PART if count * task.channels * height * width > LARGE else "all"
    if not isinstance(size, int) or size >= count:
        return task
    rows = stratified(source.strata(), size, _SEED)
    sources = {**task.sources, "train": source.select(rows)}
    # Networks see images as they do in a training on all of them.
    return replace(task, sources=sources, normalisation=(task.mean, task.std))


def stratified(strata: NDArray[np.int64], count: int, seed: int) -> NDArray[np.int64]:
    """Draws positions so that each stratum has its share, to within one.

    Args:
        strata: Number of the stratum of each position, N.
        count: How many are drawn, from 1 to N.
        seed: Of the choice within a stratum.

    Returns:
        Positions, in rising order.
    """
    chance = np.random.default_rng(seed).random(len(strata))
    # Every so manieth of all positions in the order of their strata.
    order = np.lexsort((chance, strata))
    steps = (np.arange(count) + 0.5) * (len(strata) / count)
    return np.sort(order[steps.astype(np.int64)])
