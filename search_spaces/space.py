"""What every search space offers."""

from __future__ import annotations

import math
import random
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from search_spaces.decision import Decision
from search_spaces.genotype import Genotype
from search_spaces.graph import Graph

if TYPE_CHECKING:
    from torch import nn


Kind = Literal["segmentation", "classification"]
"""Of the tasks that the networks of a space are for."""


class SpaceError(ValueError):
    """An unknown search space, or an option that does not fit it; the message says which."""


class SearchSpace(ABC):
    """An ordered tuple of decisions and the networks that they describe.

    Attributes:
        name: The name under which `search_spaces.create` knows the space.
        kind: What its networks are for; it says which of the two subclasses a space is.
        presets: Named sets of options.
        decisions: Every choice, in the order in which a controller makes them.
    """

    name: ClassVar[str]
    kind: ClassVar[Kind]
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    decisions: tuple[Decision, ...]

    @property
    @abstractmethod
    def options(self) -> dict[str, Any]:
        """Every size option, resolved and JSON-serialisable: `create(name, **options)` is equal."""

    @abstractmethod
    def genotype(self, choices: Mapping[str, int | str]) -> Genotype:
        """The candidate that a complete set of choices, by decision name, describes.

        Raises:
            GenotypeError: If a decision is missing, unknown, or has none of its options.
        """

    @abstractmethod
    def choices(self, genotype: Genotype) -> dict[str, int | str]:
        """The inverse of `genotype`."""

    @abstractmethod
    def parse(self, value: str | Sequence[Any]) -> Genotype:
        """Reads the nested form, as text or as lists.

        Raises:
            GenotypeError: If it is incomplete or not of this space; the message says where.
        """

    @abstractmethod
    def canonical_key(self, genotype: Genotype) -> str:
        """A text that is the same for genotypes that compute the same function."""

    def network_key(self, genotype: Genotype) -> str:
        """A text that is the same only for genotypes that build the same network.

        Costs of equal networks are equal. The same function can be had from networks of different
        costs, where one computes twice what another computes once; a space whose canonical keys
        merge such networks tells them apart here.
        """
        return self.canonical_key(genotype)

    @abstractmethod
    def graph(self, genotype: Genotype) -> Graph:
        """The candidate as nodes and edges, for drawing."""

    @property
    def size(self) -> int:
        """Number of distinct sets of choices."""
        return math.prod(len(decision.options) for decision in self.decisions)

    @property
    def fingerprint(self) -> str:
        """Name and options as one text; studies of different fingerprints cannot be mixed."""
        options = ",".join(f"{key}={value}" for key, value in sorted(self.options.items()))
        return f"{self.name}({options})"

    def sample(self, rng: random.Random) -> Genotype:
        """Draws a candidate, every decision uniform."""
        return self.genotype({d.name: rng.choice(d.options) for d in self.decisions})


class DecoderSpace(SearchSpace):
    """A space of segmentation decoders, which take the maps of an encoder.

    Attributes:
        encoder_strides: Strides of the maps that its decoders take, in pixels of the image.
    """

    kind: ClassVar[Kind] = "segmentation"
    encoder_strides: tuple[int, ...] = (4, 8, 16, 32)

    @abstractmethod
    def build(
        self,
        genotype: Genotype,
        *,
        encoder_channels: Sequence[int],
        encoder_strides: Sequence[int],
        num_classes: int,
    ) -> nn.Module:
        """Builds the decoder of a candidate, with random weights.

        Args:
            genotype: A candidate of this space.
            encoder_channels: Channels of every encoder output, the finest first.
            encoder_strides: Strides of the encoder outputs, in pixels of the image.
            num_classes: Channels of the logits.

        Returns:
            A module from the list of maps to logits at the size of one of them.
        """


class ClassifierSpace(SearchSpace):
    """A space of whole classifiers, which take images."""

    kind: ClassVar[Kind] = "classification"

    @abstractmethod
    def build(self, genotype: Genotype, *, num_classes: int, in_channels: int = 3) -> nn.Module:
        """Builds the network of a candidate, with random weights.

        Args:
            genotype: A candidate of this space.
            num_classes: Number of logits.
            in_channels: Channels of the images.

        Returns:
            A module from normalised images N x in_channels x H x W to logits N x num_classes.
        """
