"""The networks of a search: how they are built, what they are made of, what they cost."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import nn

import latency
from latency.tracing.forward_pass import Trace
from latency.tracing.operators import Operator
from search_spaces.genotype import Genotype
from search_spaces.space import SearchSpace

Export = Callable[[nn.Module, Sequence[int], Path], Path]
"""Writes a network for inputs of a shape N, C, H, W to an ONNX file, and returns its path."""


@dataclass(frozen=True)
class Dissected:
    """A network, taken apart without being run.

    Attributes:
        counts: Its parameters and multiply-accumulates.
        operators: What it is made of.
    """

    counts: latency.Counts
    operators: tuple[Operator, ...]


class Candidates(ABC):
    """The networks of a search.

    Attributes:
        space: Where they come from.
        input_shape: N x channels x height x width of one image.
    """

    space: SearchSpace
    input_shape: tuple[int, int, int, int]

    @property
    @abstractmethod
    def family(self) -> str:
        """A name of the networks that share encoder, image size and space."""

    def sample(self, rng: random.Random) -> Genotype:
        """Draws a candidate."""
        return self.space.sample(rng)

    @abstractmethod
    def build(self, genotype: Genotype) -> nn.Module:
        """The part that is trained from random weights, with all that only training needs."""

    @abstractmethod
    def counts(self, genotype: Genotype) -> latency.Counts:
        """What the deployed network costs for one image; nothing is computed."""

    @abstractmethod
    def dissected(self, genotype: Genotype) -> Dissected:
        """Counts and operators together, which takes less time than one after the other."""

    def operators(self, genotype: Genotype) -> tuple[Operator, ...]:
        """What the deployed network is made of; nothing is computed."""
        return self.dissected(genotype).operators

    @abstractmethod
    def outline(self, genotype: Genotype) -> nn.Module:
        """The deployed network on the meta device, to be looked at and left as it is."""

    @abstractmethod
    def network(self, genotype: Genotype) -> nn.Module:
        """The deployed network with random weights, in evaluation mode on the CPU.

        It may share its encoder with others, so it is not to be changed.
        """

    @property
    def export(self) -> Export:
        """Writes such a network to an ONNX file."""
        return latency.export_onnx


def counts_of(network: nn.Module, followed: Trace) -> latency.Counts:
    """Parameters and multiply-accumulates of a network that has been traced."""
    parameters = sum(parameter.numel() for parameter in network.parameters())
    return latency.Counts(parameters, followed.macs, 2 * followed.macs)
