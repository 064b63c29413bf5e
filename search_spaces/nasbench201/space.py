"""The NAS-Bench-201 search space."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, ClassVar

from search_spaces.cells.reading import check_whole
from search_spaces.genotype import Genotype, GenotypeError
from search_spaces.graph import Graph
from search_spaces.nasbench201.canonical import function_text, network_text
from search_spaces.nasbench201.counts import published_macs, published_parameters
from search_spaces.nasbench201.drawing import make_graph
from search_spaces.nasbench201.form import (
    DECISIONS,
    Edges,
    from_choices,
    parse,
    to_choices,
    to_nested,
    to_text,
)
from search_spaces.nasbench201.plan import make_plan
from search_spaces.nasbench201.sizes import PRESETS, Sizes
from search_spaces.space import ClassifierSpace

if TYPE_CHECKING:
    from torch import nn


class NASBench201(ClassifierSpace):
    """Classifiers made of one cell of four nodes and six edges, five operations each.

    Dong and Yang, NAS-Bench-201: Extending the Scope of Reproducible Neural Architecture Search,
    ICLR 2020, https://arxiv.org/abs/2001.00326. The nested form of a genotype holds the operations
    into nodes 1, 2 and 3, those from the earlier nodes first:
    `[["0->1"], ["0->2", "1->2"], ["0->3", "1->3", "2->3"]]`.

    Args:
        channels: Channels of the first stage; the second has twice, the third four times as many.
        cells: Cells in each of the three stages.
        stem: `cifar` keeps the size of the image; `imagenet` divides it by 4 before the first
            stage, which is none of the paper's and meant for large images.

    Raises:
        SpaceError: If an option has a wrong value.
    """

    name: ClassVar[str] = "nasbench201"
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = PRESETS

    def __init__(self, channels: int = 16, cells: int = 5, stem: str = "cifar") -> None:
        self._sizes = Sizes(channels, cells, stem)
        self.decisions = DECISIONS

    @property
    def options(self) -> dict[str, Any]:
        """Every size option: `create("nasbench201", **options)` is an equal space."""
        return asdict(self._sizes)

    def genotype(self, choices: Mapping[str, int | str]) -> Genotype:
        """The candidate that a complete set of choices, by decision name, describes.

        Raises:
            GenotypeError: If a decision is missing, unknown, or has none of its options.
        """
        return Genotype(self.name, to_nested(from_choices(choices)))

    def choices(self, genotype: Genotype) -> dict[str, int | str]:
        """The inverse of `genotype`."""
        return to_choices(self._edges(genotype))

    def parse(self, value: str | Sequence[Any]) -> Genotype:
        """Reads the nested form, as JSON text or as nested lists, or the published text.

        Raises:
            GenotypeError: If it is incomplete or not of this space; the message says where.
        """
        return Genotype(self.name, to_nested(parse(value)))

    def architecture_string(self, genotype: Genotype) -> str:
        """The published text, `|op~0|+|op~0|op~1|+|op~0|op~1|op~2|`, which `parse` reads too.

        Raises:
            GenotypeError: If the genotype is not of this space.
        """
        return to_text(self._edges(genotype))

    def canonical_key(self, genotype: Genotype) -> str:
        """A text that is the same for cells of one of the paper's 6,466 classes.

        Cells of a class compute the same function as the paper sees it: `none` and what it alone
        leads to adds nothing, a skip connection is its input, and sums have no order. It does not
        see whether a result is computed once and read twice, or by two operations with weights of
        their own, so the networks of a class can differ in parameters; `network_key` tells them
        apart.

        Raises:
            GenotypeError: If the genotype is not of this space.
        """
        return function_text(self._edges(genotype))

    def network_key(self, genotype: Genotype) -> str:
        """A text that is the same for genotypes that build the same network, and for these only.

        Raises:
            GenotypeError: If the genotype is not of this space.
        """
        return network_text(self._edges(genotype))

    def graph(self, genotype: Genotype) -> Graph:
        """The cell's nodes and the edges that can contribute, for drawing."""
        return make_graph(self._edges(genotype))

    def build(self, genotype: Genotype, *, num_classes: int, in_channels: int = 3) -> nn.Module:
        """Builds the network of a candidate, with random weights from torch's global generator.

        What cannot contribute to the logits is not built, so the network may have fewer parameters
        than `published_parameters`.

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
        from search_spaces.nasbench201.network import make_network

        check_whole("num_classes", num_classes)
        check_whole("in_channels", in_channels)
        plan = make_plan(self._edges(genotype))
        return make_network(plan, self._sizes, num_classes, in_channels)

    def published_parameters(
        self, genotype: Genotype, num_classes: int = 10, in_channels: int = 3
    ) -> int:
        """Parameters of the network as the paper counts them, with what cannot contribute.

        Raises:
            GenotypeError: If the genotype is not of this space.
            SpaceError: If a number is not a whole number of at least 1.
        """
        check_whole("num_classes", num_classes)
        check_whole("in_channels", in_channels)
        return published_parameters(self._edges(genotype), self._sizes, num_classes, in_channels)

    def published_macs(
        self, genotype: Genotype, num_classes: int = 10, size: int = 32, in_channels: int = 3
    ) -> int:
        """Multiply-accumulates as the paper counts them, for an image of size x size pixels.

        That is with what cannot contribute, with two for every value that a batch norm gives and
        one for every value that global average pooling takes.

        Raises:
            GenotypeError: If the genotype is not of this space.
            SpaceError: If a number is not a whole number of at least 1.
        """
        for name, number in (("num_classes", num_classes), ("in_channels", in_channels)):
            check_whole(name, number)
        check_whole("size", size)
        edges = self._edges(genotype)
        return published_macs(edges, self._sizes, num_classes, in_channels, size)

    def _edges(self, genotype: Genotype) -> Edges:
        if genotype.space != self.name:
            raise GenotypeError(f"a genotype of {genotype.space!r} is none of {self.name!r}.")
        return parse(genotype.value)
