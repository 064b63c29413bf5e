"""The pyramid search space."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from search_spaces.cells.reading import check_maps, check_whole
from search_spaces.decision import Decision
from search_spaces.genotype import Genotype
from search_spaces.graph import Graph
from search_spaces.pyramid.drawing import make_graph
from search_spaces.pyramid.plan import (
    FINEST,
    FINEST_STRIDES,
    FURTHER,
    HEAD,
    HEADS,
    OPERATIONS,
    Plan,
    make_plan,
    operation_on,
    strides,
)
from search_spaces.space import DecoderSpace, SpaceError

if TYPE_CHECKING:
    from search_spaces.pyramid.network import PyramidDecoder

_MOST_OUTPUTS = 4


class Pyramid(DecoderSpace):
    """Feature pyramids, with what is done on each of their levels as decisions.

    Lin et al., Feature Pyramid Networks for Object Detection, CVPR 2017,
    https://arxiv.org/abs/1612.03144. Every encoder output becomes a level of one width, by a 1×1
    convolution; the coarser is enlarged and added to the finer. Candidates choose

    - `further`: how many levels, each half as large, follow the last encoder output. They see more
      of the image for few parameters, where the encoder ends early;
    - `finest`: the stride of the finest level, 4 or 8, which is that of the logits;
    - `head`: a convolution before the classifier, or none;
    - `stride4`, `stride8` and so on: what is added to the map of a level before it is enlarged:
      nothing, a separable or dense convolution of it, or its mean over the image.

    All are small: a dense convolution has 9 times the square of the width in parameters. There are
    no auxiliary heads. The nested form of a genotype is the list of the options in the order of
    the decisions.

    Args:
        width: Channels of every level.
        further: The largest number of further levels.
        encoder_outputs: Number of maps that the encoder returns, at strides 4, 8, 16 and 32.

    Raises:
        SpaceError: If an option has a wrong value.
    """

    name: ClassVar[str] = "pyramid"

    def __init__(self, width: int = 48, further: int = 2, encoder_outputs: int = 4) -> None:
        check_whole("width", width)
        check_whole("further", further, least=0)
        check_whole("encoder_outputs", encoder_outputs)
        if encoder_outputs > _MOST_OUTPUTS:
            raise SpaceError(
                f"encoder_outputs must be at most {_MOST_OUTPUTS}, for strides "
                f"{', '.join(map(str, strides(_MOST_OUTPUTS)))}, not {encoder_outputs}."
            )
        self.width, self.further, self.encoder_outputs = width, further, encoder_outputs
        self.encoder_strides = strides(encoder_outputs)
        self.decisions = (
            Decision(FURTHER, tuple(range(further + 1))),
            Decision(FINEST, FINEST_STRIDES),
            Decision(HEAD, HEADS),
            *(
                Decision(operation_on(stride), OPERATIONS)
                for stride in strides(encoder_outputs + further)
            ),
        )

    def canonical_key(self, genotype: Genotype) -> str:
        """The levels that are built, and the head."""
        plan = self._plan(genotype)
        levels = (f"{one.source} {one.stride} {one.operation}" for one in plan.levels)
        return f"{', '.join(levels)}; {plan.head}"

    def graph(self, genotype: Genotype) -> Graph:
        """The candidate's levels as nodes, what is done on them on edges."""
        return make_graph(self._plan(genotype))

    def resized(
        self, genotype: Genotype, *, width: int, encoder_outputs: int
    ) -> tuple[Pyramid, Genotype]:
        """See `DecoderSpace.resized`: an operation stays on its stride."""
        space = Pyramid(width, self.further, encoder_outputs)
        kept = {decision.name for decision in space.decisions}
        choices = self.choices(genotype)
        return space, space.genotype({k: v for k, v in choices.items() if k in kept})

    def build(
        self,
        genotype: Genotype,
        *,
        encoder_channels: Sequence[int],
        encoder_strides: Sequence[int],
        num_classes: int,
    ) -> PyramidDecoder:
        """Builds the decoder of a candidate, with random weights from torch's global generator.

        Raises:
            GenotypeError: If the genotype is not of this space.
            SpaceError: If a number does not fit the space.
        """
        # Everything but building works without torch, which takes seconds to import.
        from search_spaces.pyramid.network import PyramidDecoder

        check_maps(self.encoder_strides, encoder_channels, encoder_strides)
        check_whole("num_classes", num_classes)
        return PyramidDecoder(
            self._plan(genotype),
            encoder_channels=encoder_channels,
            num_classes=num_classes,
            width=self.width,
        )

    def _plan(self, genotype: Genotype) -> Plan:
        return make_plan(self.choices(genotype), self.encoder_outputs)
