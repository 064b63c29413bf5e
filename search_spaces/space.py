"""What every search space offers."""

from __future__ import annotations

import inspect
import json
import math
import random
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from search_spaces.decision import Decision
from search_spaces.genotype import Genotype, GenotypeError
from search_spaces.graph import Edge, Graph

if TYPE_CHECKING:
    from torch import nn


Kind = Literal["segmentation", "classification"]
"""Of the tasks that the networks of a space are for."""


class SpaceError(ValueError):
    """An unknown search space, or an option that does not fit it; the message says which."""


class SearchSpace(ABC):
    """An ordered tuple of decisions and the networks that they describe.

    Unless a space says otherwise, a genotype is the list of the options taken, one for each
    decision, two genotypes are never the same function, and the arguments of the constructor are
    attributes of the same names.

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

    @classmethod
    def starting_options(cls, given: Mapping[str, Any]) -> dict[str, Any]:
        """The options that a new search takes and saves, where it was given some.

        The defaults of the constructor stay what they are, for runs that did not save any.
        """
        return dict(given)

    @property
    def options(self) -> dict[str, Any]:
        """Every size option, resolved and JSON-serialisable: `create(name, **options)` is equal."""
        names = inspect.signature(type(self)).parameters
        for name in names:
            if not hasattr(self, name):
                raise SpaceError(
                    f"the space {self.name!r} has no attribute {name!r} that holds its option of "
                    "this name; set it in the constructor."
                )
        return {name: getattr(self, name) for name in names}

    def genotype(self, choices: Mapping[str, int | str]) -> Genotype:
        """The candidate that a complete set of choices, by decision name, describes.

        Raises:
            GenotypeError: If a decision is missing, unknown, or has none of its options.
        """
        names = [decision.name for decision in self.decisions]
        for name in (*names, *choices):
            if name not in choices:
                raise GenotypeError(f"decision {name!r} is missing.")
            if name not in names:
                raise GenotypeError(f"there is no decision {name!r}; known: {', '.join(names)}.")
        return self.parse([choices[name] for name in names])

    def choices(self, genotype: Genotype) -> dict[str, int | str]:
        """The inverse of `genotype`."""
        if genotype.space != self.name:
            raise GenotypeError(f"a genotype of {genotype.space!r} is none of {self.name!r}.")
        return self._choices(genotype.value)

    def parse(self, value: str | Sequence[Any]) -> Genotype:
        """Reads the nested form, as text or as lists.

        Raises:
            GenotypeError: If it is incomplete or not of this space; the message says where.
        """
        return Genotype(self.name, tuple(self._choices(read_nested(value)).values()))

    def canonical_key(self, genotype: Genotype) -> str:
        """A text that is the same for genotypes that compute the same function."""
        return str(genotype)

    def network_key(self, genotype: Genotype) -> str:
        """A text that is the same only for genotypes that build the same network.

        Costs of equal networks are equal. The same function can be had from networks of different
        costs, where one computes twice what another computes once; a space whose canonical keys
        merge such networks tells them apart here.
        """
        return self.canonical_key(genotype)

    def graph(self, genotype: Genotype) -> Graph:
        """The candidate as nodes and edges, for drawing; unless redefined, a chain of decisions."""
        nodes = tuple(f"{name} = {option}" for name, option in self.choices(genotype).items())
        return Graph(nodes, tuple(map(Edge, nodes, nodes[1:])))

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

    def _choices(self, value: Any) -> dict[str, int | str]:
        """The options of a list with one for each decision, by the decision's name."""
        if not isinstance(value, list | tuple) or len(value) != len(self.decisions):
            raise GenotypeError(
                f"a genotype of {self.name!r} is a list of {len(self.decisions)} options, not "
                f"{value!r}."
            )
        return {d.name: _option(d, given) for d, given in zip(self.decisions, value, strict=True)}


def _option(decision: Decision, given: Any) -> int | str:
    if given not in decision.options:
        raise GenotypeError(
            f"decision {decision.name!r} has no option {given!r}; choose from "
            f"{', '.join(map(str, decision.options))}."
        )
    # That of the decision: 1.0 and True are equal to 1, and read differently in a key.
    return decision.options[decision.options.index(given)]


def read_nested(value: str | Sequence[Any]) -> Any:
    """The nested form of a genotype as lists, from its text or as it is.

    Raises:
        GenotypeError: If the text is none.
    """
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError as error:
        raise GenotypeError(f"{value!r} is no list: {error}.") from error


@dataclass(frozen=True)
class EncoderCut:
    """A backbone as far as a decoder needs it.

    Attributes:
        strides: Strides of the maps that the decoder takes, in pixels of the image, the finest
            first. What lies behind the last of them is not needed.
        name: Which backbone; None is the one that the search is given.
    """

    strides: tuple[int, ...]
    name: str | None = None


class DecoderSpace(SearchSpace):
    """A space of segmentation decoders, which take the maps of an encoder.

    Unless a space says otherwise, all its decoders take the same maps of the encoder that the
    search is given.

    Attributes:
        encoder_strides: Strides of the maps that its decoders take, in pixels of the image; all
            those that one of them takes.
        chooses_encoder: Whether the encoder is a decision; the option `encoders` lists them.
    """

    kind: ClassVar[Kind] = "segmentation"
    chooses_encoder: ClassVar[bool] = False
    encoder_strides: tuple[int, ...] = (4, 8, 16, 32)

    @property
    def cuts(self) -> tuple[EncoderCut, ...]:
        """Every `cut` that a candidate can have."""
        return (EncoderCut(self.encoder_strides),)

    def cut(self, genotype: Genotype) -> EncoderCut:
        """The encoder of a candidate, and which of its maps the decoder takes."""
        return self.cuts[0]

    def resized(
        self, genotype: Genotype, *, width: int, encoder_outputs: int
    ) -> tuple[DecoderSpace, Genotype]:
        """The same decoder with another width, on some of the maps of the encoder.

        Args:
            genotype: A candidate of this space.
            width: Channels of the decoder.
            encoder_outputs: Number of maps, at most as many as now. Where the decoder reads a map
                behind them, it reads the last of them.

        Returns:
            The space of such decoders, and the candidate there.

        Raises:
            SpaceError: If the decoders of this space come in one size.
        """
        raise SpaceError(f"the decoders of {self.name!r} come in one size.")

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
