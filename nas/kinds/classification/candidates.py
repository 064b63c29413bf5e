"""Whole classifiers, as a search sees them."""

from __future__ import annotations

from torch import Tensor, nn

import latency
from latency.tracing.forward_pass import trace
from latency.tracing.operators import operators_of
from nas.kinds.candidates import Candidates, Dissected, counts_of
from search_spaces.genotype import Genotype
from search_spaces.space import ClassifierSpace


class ClassifierCandidates(Candidates):
    """Whole classifiers.

    Args:
        space: Builds them.
        num_classes: Number of classes.
        input_shape: N x channels x height x width of one image.
    """

    space: ClassifierSpace

    def __init__(
        self, space: ClassifierSpace, num_classes: int, input_shape: tuple[int, int, int, int]
    ) -> None:
        self.space, self._num_classes = space, num_classes
        self.input_shape = input_shape

    @property
    def family(self) -> str:
        """See `Candidates.family`."""
        height, width = self.input_shape[2:]
        return f"{self.space.fingerprint} at {height}x{width}"

    def build(self, genotype: Genotype) -> nn.Module:
        """The whole network."""
        channels = self.input_shape[1]
        return self.space.build(genotype, num_classes=self._num_classes, in_channels=channels)

    def counts(self, genotype: Genotype) -> latency.Counts:
        """See `Candidates.counts`."""
        return latency.count_of_maps(_OfOneMap(self.outline(genotype)), [self.input_shape])

    def dissected(self, genotype: Genotype) -> Dissected:
        """See `Candidates.dissected`."""
        network = self.outline(genotype)
        followed = trace(network, self.input_shape)
        return Dissected(counts_of(network, followed), operators_of(followed))

    def network(self, genotype: Genotype) -> nn.Module:
        """See `Candidates.network`."""
        return self.build(genotype).eval()

    def outline(self, genotype: Genotype) -> nn.Module:
        """See `Candidates.outline`."""
        return self.network(genotype).to("meta")


class _OfOneMap(nn.Module):
    """A network that takes its image in a list."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.eval()

    def forward(self, maps: list[Tensor]) -> Tensor:
        output: Tensor = self.network(maps[0])
        return output
