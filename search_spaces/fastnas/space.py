"""The FastNAS search space."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, ClassVar

from search_spaces.fastnas.canonical import canonical_key
from search_spaces.fastnas.counts import published_parameters
from search_spaces.fastnas.drawing import make_graph
from search_spaces.fastnas.form import (
    Form,
    from_choices,
    make_decisions,
    on_fewer_outputs,
    parse,
    to_choices,
)
from search_spaces.fastnas.plan import DecoderPlan, make_plan
from search_spaces.fastnas.sizes import PRESETS, Sizes, check_positive
from search_spaces.genotype import Genotype, GenotypeError
from search_spaces.graph import Graph
from search_spaces.space import DecoderSpace, SpaceError

if TYPE_CHECKING:
    from search_spaces.fastnas.decoder import FastNASDecoder


class FastNAS(DecoderSpace):
    """Decoders of one contextual cell design and freely wired blocks.

    Nekrasov et al., Fast Neural Architecture Search of Compact Semantic Segmentation Models via
    Auxiliary Cells, CVPR 2019, https://arxiv.org/abs/1810.10804. The nested form of a genotype is
    `[[op0, [p1, p2, o1, o2], ...], [[i, j], ...]]`: a cell and the inputs of the decoder blocks.

    Args:
        branches: Layers of the cell: op0 and `branches - 1` nodes of two operations each.
        cells: Decoder blocks.
        width: Channels of every map within the decoder.
        repeats: How often a separable convolution is repeated.
        auxiliary: What each block gets for training: `cell` (a cell and a classifier),
            `classifier` (a classifier alone) or `none`.
        encoder_outputs: Number of maps that the encoder returns, at strides 4, 8, 16 and 32.

    Attributes:
        encoder_strides: Strides of the encoder outputs, all four by default. The parts of the
            encoder behind the last of them are not needed.

    Raises:
        SpaceError: If an option has a wrong value.
    """

    name: ClassVar[str] = "fastnas"
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = PRESETS

    def __init__(
        self,
        branches: int = 4,
        cells: int = 3,
        width: int = 48,
        repeats: int = 1,
        auxiliary: str = "cell",
        encoder_outputs: int = 4,
    ) -> None:
        self._sizes = Sizes(branches, cells, width, repeats, auxiliary, encoder_outputs)
        self.encoder_strides = self._sizes.encoder_strides
        self.decisions = make_decisions(self._sizes)

    @property
    def options(self) -> dict[str, Any]:
        """Every size option: `create("fastnas", **options)` is an equal space."""
        return asdict(self._sizes)

    def genotype(self, choices: Mapping[str, int | str]) -> Genotype:
        """The candidate that a complete set of choices, by decision name, describes.

        Raises:
            GenotypeError: If a decision is missing, unknown, or has none of its options.
        """
        return Genotype(self.name, from_choices(choices, self.decisions, self._sizes).nested)

    def choices(self, genotype: Genotype) -> dict[str, int | str]:
        """The inverse of `genotype`."""
        return to_choices(self._form(genotype), self.decisions)

    def parse(self, value: str | Sequence[Any]) -> Genotype:
        """Reads the nested form, as JSON text or as nested lists.

        Raises:
            GenotypeError: If it is incomplete or not of this space; the message says where.
        """
        return Genotype(self.name, parse(value, self._sizes).nested)

    def canonical_key(self, genotype: Genotype) -> str:
        """A text that is the same for genotypes that build the same network.

        It does not depend on the order of branches, nodes, blocks and block inputs, on what
        cannot contribute, or on whether a value is read directly or through `skip`.
        """
        return canonical_key(self._plan(genotype))

    def graph(self, genotype: Genotype) -> Graph:
        """The candidate's cell and decoder as nodes and edges, for drawing."""
        return make_graph(self._plan(genotype))

    def resized(
        self, genotype: Genotype, *, width: int, encoder_outputs: int
    ) -> tuple[FastNAS, Genotype]:
        """See `DecoderSpace.resized`."""
        space = FastNAS(**{**self.options, "width": width, "encoder_outputs": encoder_outputs})
        form = on_fewer_outputs(self._form(genotype), self._sizes.encoder_outputs, encoder_outputs)
        return space, Genotype(self.name, form.nested)

    def build(
        self,
        genotype: Genotype,
        *,
        encoder_channels: Sequence[int],
        encoder_strides: Sequence[int],
        num_classes: int,
    ) -> FastNASDecoder:
        """Builds the decoder of a candidate, with random weights from torch's global generator.

        What cannot contribute to the logits is not built, so the decoder may have fewer parameters
        than `published_parameters`.

        Args:
            genotype: A candidate of this space.
            encoder_channels: Channels of every encoder output.
            encoder_strides: Strides of the encoder outputs, in pixels of the image.
            num_classes: Channels of the logits.

        Raises:
            GenotypeError: If the genotype is not of this space.
            SpaceError: If a number does not fit the space.
        """
        # Everything but building works without torch, which takes seconds to import.
        from search_spaces.fastnas.decoder import FastNASDecoder

        self._check_encoder("encoder_channels", encoder_channels)
        self._check_encoder("encoder_strides", encoder_strides)
        check_positive("num_classes", num_classes)
        return FastNASDecoder(
            self._plan(genotype),
            encoder_channels=encoder_channels,
            encoder_strides=encoder_strides,
            num_classes=num_classes,
            width=self._sizes.width,
            repeats=self._sizes.repeats,
            auxiliary=self._sizes.auxiliary,
        )

    def published_parameters(
        self, genotype: Genotype, *, encoder_channels: Sequence[int], num_classes: int
    ) -> int:
        """Parameters of the decoder as the paper counts them.

        That is with adapters of unread encoder outputs, operations that cannot contribute and, if
        the space has them, auxiliary heads.

        Raises:
            GenotypeError: If the genotype is not of this space.
            SpaceError: If a number does not fit the space.
        """
        self._check_encoder("encoder_channels", encoder_channels)
        check_positive("num_classes", num_classes)
        form = self._form(genotype)
        return published_parameters(form, self._sizes, encoder_channels, num_classes)

    def _check_encoder(self, name: str, values: Sequence[int]) -> None:
        outputs = self._sizes.encoder_outputs
        if len(values) != outputs:
            raise SpaceError(
                f"{name} needs {outputs} numbers, one for each encoder output, not {len(values)}."
            )
        for value in values:
            check_positive(f"every number of {name}", value)

    def _form(self, genotype: Genotype) -> Form:
        if genotype.space != self.name:
            raise GenotypeError(f"a genotype of {genotype.space!r} is none of {self.name!r}.")
        return parse(genotype.value, self._sizes)

    def _plan(self, genotype: Genotype) -> DecoderPlan:
        return make_plan(self._form(genotype), self._sizes.encoder_outputs)
