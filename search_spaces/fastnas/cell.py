"""The contextual cell."""

from __future__ import annotations

from torch import nn

from search_spaces.fastnas.feature_map import FeatureMap, weighted_sum
from search_spaces.fastnas.operations import create_operation
from search_spaces.fastnas.plan import CellPlan, Value


class Cell(nn.Module):
    """One copy of a cell design, with weights of its own.

    Args:
        plan: The design; its output must not be zero.
        width: Channels of input and output.
        repeats: How often a separable convolution is repeated.

    Raises:
        ValueError: If the plan's output is zero.
    """

    def __init__(self, plan: CellPlan, width: int, repeats: int) -> None:
        super().__init__()
        if plan.is_zero:
            raise ValueError("a cell that always returns zero has nothing to build.")
        self.plan = plan
        self.operations = nn.ModuleDict(
            {
                step.name.replace(".", "_"): create_operation(step.operation, width, repeats)
                for step in plan.steps
            }
        )

    def forward(self, features: FeatureMap) -> FeatureMap:
        """Maps features to features of the same extent."""
        sources = [features]
        sums: dict[Value, FeatureMap] = {}
        for step, operation in zip(self.plan.steps, self.operations.values(), strict=True):
            sources.append(operation(_value(step.value, sources, sums)))
        return _value(self.plan.output, sources, sums)


def _value(value: Value, sources: list[FeatureMap], sums: dict[Value, FeatureMap]) -> FeatureMap:
    if value not in sums:
        sums[value] = weighted_sum([(sources[source], factor) for source, factor in value])
    return sums[value]
