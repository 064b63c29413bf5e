"""The decoder that a genotype describes."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from search_spaces.fastnas.convolution import CroppedConv2d
from search_spaces.fastnas.feature_map import FeatureMap
from search_spaces.fastnas.operations import Projection
from search_spaces.template.aggregation import concatenate, create_aggregation
from search_spaces.template.operations import create_operation
from search_spaces.template.plan import AggregationStep, Plan, Step


class TemplateDecoder(nn.Module):
    """Encoder outputs in, logits out.

    The steps of the plan run one after another. Outputs of layers that no layer reads are brought
    to the resolution of the finest, concatenated, rectified, projected and classified.

    Weights are drawn from torch's global generator: Kaiming-normal convolutions, batch norms of
    scale 1 and shift 0, weights of sums 1, biases 0. In training mode a batch of a single image
    raises ValueError where a map is, or is pooled to, 1×1.

    Args:
        plan: What to build.
        encoder_channels: Channels of every encoder output.
        num_classes: Channels of the logits.
        width: Channels before the classifier.
        separable_repeats: How often a separable convolution is repeated.

    Attributes:
        stride: Stride of the logits, in pixels of the image.
    """

    def __init__(
        self,
        plan: Plan,
        *,
        encoder_channels: Sequence[int],
        num_classes: int,
        width: int,
        separable_repeats: int,
    ) -> None:
        super().__init__()
        self.plan = plan
        self.stride = plan.strides[plan.output]
        channels = list(encoder_channels)
        self.steps = nn.ModuleDict()
        for step in plan.steps:
            module, outputs = _create(step, channels, separable_repeats)
            self.steps[step.name.replace(".", "_")] = module
            channels.append(outputs)
        self.merge = Projection(sum(channels[value] for value in plan.collected), width)
        self.classifier = CroppedConv2d(width, num_classes, 3, bias=True)
        _initialise(self)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Classifies the pixels of encoder outputs.

        Args:
            features: One tensor N×C×H×W per encoder output, the finest first.

        Returns:
            Logits N×classes×h×w, at the stride `stride`.

        Raises:
            ValueError: If the number of features is not that of the encoder outputs, or batch norm
                has a single value to learn from.
        """
        plan = self.plan
        if len(features) != plan.encoder_outputs:
            raise ValueError(
                f"the decoder needs {plan.encoder_outputs} encoder outputs, not {len(features)}."
            )
        values = [FeatureMap.of(maps) for maps in features]
        for step, module in zip(plan.steps, self.steps.values(), strict=True):
            values.append(_run(step, module, values))
        size = values[plan.output].size
        stacked = concatenate([values[value].upsampled(size) for value in plan.collected])
        merged: FeatureMap = self.merge(FeatureMap(F.relu(stacked.values), size))
        logits: Tensor = self.classifier(merged.spread)
        return logits


def _create(step: Step, channels: Sequence[int], separable_repeats: int) -> tuple[nn.Module, int]:
    """The module of a step, and the channels of its output."""
    if isinstance(step, AggregationStep):
        pair = channels[step.sources[0]], channels[step.sources[1]]
        return create_aggregation(step.aggregation, pair), max(pair)
    inputs = channels[step.source]
    outputs = 2 * inputs if step.doubling else inputs
    return create_operation(step, inputs, outputs, separable_repeats), outputs


def _run(step: Step, module: nn.Module, values: Sequence[FeatureMap]) -> FeatureMap:
    if isinstance(step, AggregationStep):
        pair = values[step.sources[0]], values[step.sources[1]]
        joined: FeatureMap = module(pair, values[step.target].size)
        return joined
    changed: FeatureMap = module(values[step.source])
    return changed


def _initialise(module: nn.Module) -> None:
    for part in module.modules():
        if isinstance(part, nn.Conv2d):
            nn.init.kaiming_normal_(part.weight, nonlinearity="relu")
            if part.bias is not None:
                nn.init.zeros_(part.bias)
