"""A cost of your own can be penalised, limited and drawn: the number of convolutions.

nas search --task digits --space nasbench201 --penalty examples/own_cost.py:Depth
nas pareto list RUN --cost depth
"""

from collections.abc import Sequence

from torch import nn

import latency


@latency.costs.register
class Depth(latency.Cost):
    """Convolutions of the deployed network."""

    name = "depth"
    label = "convolutions"

    def measure(self, model: nn.Module, input_shape: Sequence[int]) -> latency.Figure:
        return latency.Figure(float(sum(isinstance(m, nn.Conv2d) for m in model.modules())))
