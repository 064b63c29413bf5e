"""The template search space."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, ClassVar

from search_spaces.cells.reading import check_maps, check_whole
from search_spaces.genotype import Genotype, GenotypeError
from search_spaces.graph import Graph
from search_spaces.space import DecoderSpace
from search_spaces.template.canonical import canonical_key
from search_spaces.template.drawing import make_graph
from search_spaces.template.form import (
    Form,
    from_choices,
    make_decisions,
    on_fewer_outputs,
    parse,
    to_choices,
)
from search_spaces.template.plan import Plan, make_plan
from search_spaces.template.sizes import PRESETS, Sizes

if TYPE_CHECKING:
    from search_spaces.template.decoder import TemplateDecoder


class Template(DecoderSpace):
    """Decoders that apply templates to the first outputs of an encoder.

    Nekrasov et al., Template-Based Automatic Search of Compact Semantic Segmentation
    Architectures, WACV 2020, https://arxiv.org/abs/1904.02365. A template is two operations and an
    aggregation. A layer applies a template to two earlier maps, several times: the next time the
    first operation reads what the second read, and the second reads the aggregate. Layers of the
    first half may have stride 2. There are no auxiliary heads.

    The nested form of a genotype is `[[[op1, op2, aggregation], ...], [[i, j, t, r, s], ...]]`:
    templates, then layers with the positions of their inputs (encoder outputs first, then layers),
    the number of the template, how often it is applied after the first time, and 1 for stride 2 or
    0. All numbers count from 0, as in the genotypes of the paper's code; in decisions templates
    count from 1, and repeats and strides are what they say.

    What the paper's abstract leaves open is taken from its public code (DrSleep/nas-segm-pytorch):
    the six operations and two aggregations; 3 templates, 7 layers, up to 4 repeats; MobileNetV2's
    outputs with 24 and 32 channels at strides 4 and 8. A layer of stride 2 doubles the channels the
    first time, a skip by stacking the map twice. Its separable convolutions and poolings have the
    stride every time, and in each of the `separable_repeats`; global average pools and skips never
    have it. An aggregate has the channels of its wider input, and the resolution of the coarser one
    in the first half of the layers, of the finer one in the second. Layers that no layer reads are
    classified at the resolution of the finest. The released networks (63.2 mIoU on CamVid and 67.8
    on Cityscapes), built in the preset `released` with 19 classes, have with their encoder exactly
    the published 280,147 and 268,235 parameters; `search` has the sizes of the code's search.

    Our reading: maps are resized with corners not aligned, which the code leaves to torch's
    default for aggregations; taps of a kernel that lie wholly outside the map are left out of the
    computation, which changes no result; the initial weights are those of our other decoders.

    Args:
        templates: Number of templates.
        layers: Number of layers.
        max_repeats: How often a layer may apply its template.
        width: Channels before the classifier; the maps of layers keep those of the encoder.
        separable_repeats: How often a separable convolution is repeated.
        encoder_outputs: Number of maps that the encoder returns, at strides 4, 8, 16 and 32.

    Attributes:
        encoder_strides: Strides of the encoder outputs, (4, 8) by default. The parts of the
            encoder behind the last of them are not needed.

    Raises:
        SpaceError: If an option has a wrong value.
    """

    name: ClassVar[str] = "template"
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = PRESETS

    def __init__(
        self,
        templates: int = 3,
        layers: int = 7,
        max_repeats: int = 4,
        width: int = 48,
        separable_repeats: int = 1,
        encoder_outputs: int = 2,
    ) -> None:
        self._sizes = Sizes(
            templates, layers, max_repeats, width, separable_repeats, encoder_outputs
        )
        self.encoder_strides = self._sizes.encoder_strides
        self.decisions = make_decisions(self._sizes)

    @property
    def options(self) -> dict[str, Any]:
        """Every size option: `create("template", **options)` is an equal space."""
        return asdict(self._sizes)

    def genotype(self, choices: Mapping[str, int | str]) -> Genotype:
        """The candidate that a complete set of choices, by decision name, describes.

        Raises:
            GenotypeError: If a decision is missing, unknown, or has none of its options.
        """
        return Genotype(self.name, from_choices(choices, self._sizes).nested)

    def choices(self, genotype: Genotype) -> dict[str, int | str]:
        """The inverse of `genotype`."""
        return to_choices(self._form(genotype), self._sizes)

    def parse(self, value: str | Sequence[Any]) -> Genotype:
        """Reads the nested form, as JSON text or as nested lists.

        Raises:
            GenotypeError: If it is incomplete or not of this space; the message says where.
        """
        return Genotype(self.name, parse(value, self._sizes).nested)

    def canonical_key(self, genotype: Genotype) -> str:
        """A text that is the same for genotypes that build the same network.

        It does not depend on the numbers of templates, on templates that no layer applies, on the
        order of layers and of inputs that can be exchanged, on whether a map is read directly or
        through a skip, or on the half of a layer whose inputs have one resolution.
        """
        return canonical_key(self._plan(genotype))

    def graph(self, genotype: Genotype) -> Graph:
        """The candidate's aggregations and operations as nodes and edges, for drawing."""
        return make_graph(self._plan(genotype))

    def resized(
        self, genotype: Genotype, *, width: int, encoder_outputs: int
    ) -> tuple[Template, Genotype]:
        """See `DecoderSpace.resized`."""
        space = Template(**{**self.options, "width": width, "encoder_outputs": encoder_outputs})
        form = on_fewer_outputs(self._form(genotype), self._sizes.encoder_outputs, encoder_outputs)
        return space, Genotype(self.name, form.nested)

    def build(
        self,
        genotype: Genotype,
        *,
        encoder_channels: Sequence[int],
        encoder_strides: Sequence[int],
        num_classes: int,
    ) -> TemplateDecoder:
        """Builds the decoder of a candidate, with random weights from torch's global generator.

        Args:
            genotype: A candidate of this space.
            encoder_channels: Channels of every encoder output, the finest first.
            encoder_strides: Strides of the encoder outputs, which are those of the space.
            num_classes: Channels of the logits.

        Raises:
            GenotypeError: If the genotype is not of this space.
            SpaceError: If a number does not fit the space.
        """
        # Everything but building works without torch, which takes seconds to import.
        from search_spaces.template.decoder import TemplateDecoder

        check_maps(self.encoder_strides, encoder_channels, encoder_strides)
        check_whole("num_classes", num_classes)
        return TemplateDecoder(
            self._plan(genotype),
            encoder_channels=encoder_channels,
            num_classes=num_classes,
            width=self._sizes.width,
            separable_repeats=self._sizes.separable_repeats,
        )

    def _form(self, genotype: Genotype) -> Form:
        if genotype.space != self.name:
            raise GenotypeError(f"a genotype of {genotype.space!r} is none of {self.name!r}.")
        return parse(genotype.value, self._sizes)

    def _plan(self, genotype: Genotype) -> Plan:
        return make_plan(self._form(genotype), self._sizes)
