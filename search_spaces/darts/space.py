"""The DARTS search space."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, ClassVar

from search_spaces.cells.reading import check_whole
from search_spaces.darts.canonical import network_text
from search_spaces.darts.counts import published_parameters
from search_spaces.darts.drawing import make_graph
from search_spaces.darts.form import Form, from_choices, make_decisions, parse, to_choices
from search_spaces.darts.plan import make_plan
from search_spaces.darts.sizes import PRESETS, Sizes
from search_spaces.genotype import Genotype, GenotypeError
from search_spaces.graph import Graph
from search_spaces.space import ClassifierSpace

if TYPE_CHECKING:
    from torch import nn


class DARTS(ClassifierSpace):
    """Classifiers made of a normal and a reduction cell, whose nodes read two earlier ones each.

    Liu et al., DARTS: Differentiable Architecture Search, ICLR 2019,
    https://arxiv.org/abs/1806.09055. The nested form of a genotype is that of the published lists:
    for the normal and for the reduction cell, two pairs `[operation, input]` for every node, where
    inputs 0 and 1 are the two cells before and node k is input k + 1.

    Args:
        channels: Channels within the cells before the first reduction, even; each of the two
            reductions doubles them.
        layers: Cells, at least 3; those at a third and at two thirds of the depth are reductions.
        nodes: Intermediate nodes of a cell, which its output concatenates.
        stem_multiplier: Channels of the stem's maps, in multiples of `channels`.
        stem: `cifar` keeps the size of the image; `imagenet` divides it by 4 for the first cell's
            older input and by 8 for the other.

    Raises:
        SpaceError: If an option has a wrong value.
    """

    name: ClassVar[str] = "darts"
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = PRESETS

    def __init__(
        self,
        channels: int = 16,
        layers: int = 8,
        nodes: int = 4,
        stem_multiplier: int = 3,
        stem: str = "cifar",
    ) -> None:
        self._sizes = Sizes(channels, layers, nodes, stem_multiplier, stem)
        self.decisions = make_decisions(nodes)

    @property
    def options(self) -> dict[str, Any]:
        """Every size option: `create("darts", **options)` is an equal space."""
        return asdict(self._sizes)

    def genotype(self, choices: Mapping[str, int | str]) -> Genotype:
        """The candidate that a complete set of choices, by decision name, describes.

        Raises:
            GenotypeError: If a decision is missing, unknown, or has none of its options.
        """
        form = from_choices(choices, self.decisions, self._sizes.nodes)
        return Genotype(self.name, form.nested)

    def choices(self, genotype: Genotype) -> dict[str, int | str]:
        """The inverse of `genotype`."""
        return to_choices(self._form(genotype), self.decisions)

    def parse(self, value: str | Sequence[Any]) -> Genotype:
        """Reads the nested form, as JSON text or as nested lists, or the published notation.

        That is `Genotype(normal=[("sep_conv_3x3", 1), ...], normal_concat=range(2, 6), ...)`. The
        genotype has the earlier input of a node first.

        Raises:
            GenotypeError: If it is incomplete or not of this space; the message says where.
        """
        return Genotype(self.name, parse(value, self._sizes.nodes).nested)

    def canonical_key(self, genotype: Genotype) -> str:
        """A text that is the same for genotypes that build the same network.

        It does not depend on the order of the nodes and of their inputs, on what cannot
        contribute, on whether a value is read directly or through a skip connection, or on where
        a pool that several nodes read is chosen. Zeros are no part of a network: a node of two
        `none` is not concatenated.

        Raises:
            GenotypeError: If the genotype is not of this space.
        """
        return network_text(make_plan(self._form(genotype), self._sizes))

    def graph(self, genotype: Genotype) -> Graph:
        """The two cells as nodes and edges, for drawing."""
        return make_graph(self._form(genotype))

    def build(self, genotype: Genotype, *, num_classes: int, in_channels: int = 3) -> nn.Module:
        """Builds the network of a candidate, with random weights from torch's global generator.

        It has neither the paper's auxiliary head nor drop path, which serve long trainings. What
        cannot contribute to the logits is not built, so the network may have fewer parameters than
        `published_parameters`.

        Args:
            genotype: A candidate of this space.
            num_classes: Number of logits.
            in_channels: Channels of the images.

        Returns:
            A module from normalised images N x in_channels x H x W of any size to logits
            N x num_classes, with the maps of its stages at `stage1`, `stage2` and `stage3`.

        Raises:
            GenotypeError: If the genotype is not of this space.
            SpaceError: If a number is not a whole number of at least 1.
        """
        # Everything but building works without torch, which takes seconds to import.
        from search_spaces.darts.network import make_network

        check_whole("num_classes", num_classes)
        check_whole("in_channels", in_channels)
        plan = make_plan(self._form(genotype), self._sizes)
        return make_network(plan, self._sizes, num_classes, in_channels)

    def published_parameters(
        self, genotype: Genotype, num_classes: int = 10, in_channels: int = 3
    ) -> int:
        """Parameters of the network as the paper counts them, without an auxiliary head.

        That is with what cannot contribute.

        Raises:
            GenotypeError: If the genotype is not of this space.
            SpaceError: If a number is not a whole number of at least 1.
        """
        check_whole("num_classes", num_classes)
        check_whole("in_channels", in_channels)
        return published_parameters(self._form(genotype), self._sizes, num_classes, in_channels)

    def _form(self, genotype: Genotype) -> Form:
        if genotype.space != self.name:
            raise GenotypeError(f"a genotype of {genotype.space!r} is none of {self.name!r}.")
        return parse(genotype.value, self._sizes.nodes)
