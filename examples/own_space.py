"""A search space of your own: plain classifiers whose kernels and widths are searched.

    nas search --task digits --space examples/own_space.py:TinySpace --set space.options.stages=3

A space has a name, decisions, and a method that builds the network of a candidate. Everything else
has a default in `search_spaces.SearchSpace`; a space of decoders derives from `DecoderSpace`.
"""

from torch import nn

import search_spaces
from search_spaces import ClassifierSpace, Decision, Genotype


@search_spaces.register
class TinySpace(ClassifierSpace):
    """Stages of one convolution each, every one with half the resolution of the one before."""

    name = "tiny"

    def __init__(self, stages: int = 2) -> None:
        self.stages = stages
        kernels = [Decision(f"kernel {stage}", (3, 5, 7)) for stage in range(stages)]
        widths = [Decision(f"width {stage}", (8, 16, 32)) for stage in range(stages)]
        self.decisions = (*kernels, *widths)

    def build(self, genotype: Genotype, *, num_classes: int, in_channels: int = 3) -> nn.Module:
        """Convolutions, a mean over the positions and a linear classifier."""
        choices = self.choices(genotype)
        layers: list[nn.Module] = []
        for stage in range(self.stages):
            kernel, width = int(choices[f"kernel {stage}"]), int(choices[f"width {stage}"])
            layers.append(nn.Conv2d(in_channels, width, kernel, stride=2, padding=kernel // 2))
            layers += [nn.BatchNorm2d(width), nn.ReLU()]
            in_channels = width
        head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(in_channels, num_classes)]
        return nn.Sequential(*layers, *head)
