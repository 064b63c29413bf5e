"""The mobile search space."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from search_spaces.cells.reading import check_whole
from search_spaces.genotype import Genotype, GenotypeError
from search_spaces.graph import Graph
from search_spaces.mobile.drawing import make_graph
from search_spaces.mobile.form import (
    Form,
    from_choices,
    make_decisions,
    parse,
    to_choices,
    to_nested,
)
from search_spaces.mobile.plan import Block, canonical_key, make_plan
from search_spaces.mobile.sizes import PRESETS, Sizes, listed
from search_spaces.space import ClassifierSpace

if TYPE_CHECKING:
    from search_spaces.mobile.network import MobileNetwork

_DEFAULT = PRESETS["small_images"]


class Mobile(ClassifierSpace):
    """Classifiers of inverted-residual stages.

    Every stage chooses the kernel of its depthwise convolutions, the expansion, the number of
    blocks, the width and whether it has squeeze-and-excitation, as in MnasNet (Tan et al., 2019,
    https://arxiv.org/abs/1807.11626); ProxylessNAS (https://arxiv.org/abs/1812.00332) and
    once-for-all (https://arxiv.org/abs/1908.09791) search the same blocks, each on its own. The
    first block of a stage has the stage's stride, the others 1; where input and output have the
    same shape, the input is added. Before the stages are a 3×3 stem and a block without expansion,
    behind them a 1×1 head, a mean and a linear classifier, none of which is searched.

    The nested form of a genotype is `[[kernel, expansion, depth, width, squeeze_excitation], ...]`,
    one list for each stage, the width in channels, squeeze_excitation 0 or 1. With MnasNet's sizes
    (preset `imagenet`) MnasNet-B1 is `[[3,3,3,24,0],[5,3,3,40,0],[5,6,3,80,0],[3,6,2,96,0],
    [5,6,4,192,0],[3,6,1,320,0]]`.

    Without options the space is that of the preset `small_images`.

    Args:
        stem_width: Channels of the stem.
        first_width: Channels of the block after the stem.
        widths: Base width of every stage, in channels.
        strides: Stride of the stem and of every stage, 1 or 2.
        kernels: Sides of kernels to choose from, odd.
        expansions: Expansions to choose from.
        depths: Numbers of blocks to choose from, at least 1.
        width_multipliers: What a base width can be multiplied with. The product is rounded to a
            multiple of 8 that is at least 0.9 times as large; equal widths count once.
        head_width: Channels of the head.
        activation: `relu`, `relu6`, `hard_swish` or `silu`.

    Raises:
        SpaceError: If an option has a wrong value.
    """

    name: ClassVar[str] = "mobile"
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = PRESETS

    def __init__(
        self,
        stem_width: int = _DEFAULT["stem_width"],
        first_width: int = _DEFAULT["first_width"],
        widths: Sequence[int] = _DEFAULT["widths"],
        strides: Sequence[int] = _DEFAULT["strides"],
        kernels: Sequence[int] = _DEFAULT["kernels"],
        expansions: Sequence[int] = _DEFAULT["expansions"],
        depths: Sequence[int] = _DEFAULT["depths"],
        width_multipliers: Sequence[float] = _DEFAULT["width_multipliers"],
        head_width: int = _DEFAULT["head_width"],
        activation: str = "relu",
    ) -> None:
        self._sizes = Sizes(
            stem_width,
            first_width,
            listed("widths", widths),
            listed("strides", strides),
            listed("kernels", kernels),
            listed("expansions", expansions),
            listed("depths", depths),
            listed("width_multipliers", width_multipliers),
            head_width,
            activation,
        )
        self.decisions = make_decisions(self._sizes)

    @property
    def options(self) -> dict[str, Any]:
        """Every size option: `create("mobile", **options)` is an equal space."""
        return self._sizes.options

    def genotype(self, choices: Mapping[str, int | str]) -> Genotype:
        """The candidate that a complete set of choices, by decision name, describes.

        Raises:
            GenotypeError: If a decision is missing, unknown, or has none of its options.
        """
        return Genotype(self.name, to_nested(from_choices(choices, self._sizes)))

    def choices(self, genotype: Genotype) -> dict[str, int | str]:
        """The inverse of `genotype`."""
        return to_choices(self._form(genotype))

    def parse(self, value: str | Sequence[Any]) -> Genotype:
        """Reads the nested form, as JSON text or as nested lists.

        Raises:
            GenotypeError: If it is incomplete or not of this space; the message says where.
        """
        return Genotype(self.name, to_nested(parse(value, self._sizes)))

    def canonical_key(self, genotype: Genotype) -> str:
        """A text that is the same for genotypes that build the same network.

        It lists the blocks and forgets the stages: where a stage of stride 1 has the kernel,
        expansion, width and squeeze-and-excitation of the one before, blocks may move from one to
        the other. Nothing else can be written in two ways, as every stage has a block.
        """
        return canonical_key(self._plan(genotype))

    def graph(self, genotype: Genotype) -> Graph:
        """The candidate's blocks as nodes and edges, for drawing."""
        return make_graph(self._plan(genotype))

    def build(self, genotype: Genotype, *, num_classes: int, in_channels: int = 3) -> MobileNetwork:
        """Builds the network of a candidate, with random weights from torch's global generator.

        Args:
            genotype: A candidate of this space.
            num_classes: Number of logits.
            in_channels: Channels of the images.

        Raises:
            GenotypeError: If the genotype is not of this space.
            SpaceError: If a number is not a whole number of at least 1.
        """
        # Everything but building works without torch, which takes seconds to import.
        from search_spaces.mobile.network import MobileNetwork

        check_whole("num_classes", num_classes)
        check_whole("in_channels", in_channels)
        return MobileNetwork(self._plan(genotype), self._sizes, num_classes, in_channels)

    def _form(self, genotype: Genotype) -> Form:
        if genotype.space != self.name:
            raise GenotypeError(f"a genotype of {genotype.space!r} is none of {self.name!r}.")
        return parse(genotype.value, self._sizes)

    def _plan(self, genotype: Genotype) -> tuple[tuple[Block, ...], ...]:
        return make_plan(self._form(genotype), self._sizes)
