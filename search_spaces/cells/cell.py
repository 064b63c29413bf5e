"""A planned cell as a module."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from search_spaces.cells.operations import make_operation, reads_rectified
from search_spaces.cells.plan import CellPlan, Value


class PlannedCell(nn.Module):
    """One copy of a planned cell, with weights of its own.

    Args:
        plan: What to build.
        channels: Channels of every map within the cell.
    """

    def __init__(self, plan: CellPlan, channels: int) -> None:
        super().__init__()
        self.plan = plan
        self.operations = nn.ModuleDict(
            {step.name: make_operation(step, channels) for step in plan.steps}
        )

    def outputs(self, inputs: Sequence[Tensor | None]) -> list[Tensor]:
        """What the plan returns, N×C×H×W each.

        Args:
            inputs: The inputs of the cell; None for one that the plan does not use.
        """
        values = _Values(inputs)
        for step, operation in zip(self.plan.steps, self.operations.values(), strict=True):
            maps = values.rectified(step.value) if reads_rectified(step) else values.of(step.value)
            values.sources.append(operation(maps))
        return [values.of(value) for value in self.plan.outputs]


class _Values:
    """The maps of one run, every sum and every ReLU computed once."""

    def __init__(self, inputs: Sequence[Tensor | None]) -> None:
        self.sources = list(inputs)
        self._sums: dict[Value, Tensor] = {}
        self._rectified: dict[Value, Tensor] = {}

    def of(self, value: Value) -> Tensor:
        if value not in self._sums:
            self._sums[value] = self._sum(value)
        return self._sums[value]

    def rectified(self, value: Value) -> Tensor:
        if value not in self._rectified:
            self._rectified[value] = F.relu(self.of(value))
        return self._rectified[value]

    def _sum(self, value: Value) -> Tensor:
        (first, multiplicity), *others = value
        total = self._source(first)
        if multiplicity > 1:
            total = total * multiplicity
        for source, factor in others:
            total = torch.add(total, self._source(source), alpha=factor)
        return total

    def _source(self, number: int) -> Tensor:
        source = self.sources[number]
        assert source is not None  # a plan reads no input that it does not use
        return source
