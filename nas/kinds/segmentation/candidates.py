"""Decoders behind one encoder, as a search sees them."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Iterable
from functools import cached_property
from typing import cast

from torch import Tensor, nn

import latency
from latency.network import deployed_copy
from latency.tracing.forward_pass import Trace, Value, trace, trace_of_maps
from latency.tracing.operators import Operator, operators_of, used_inputs
from nas.kinds.candidates import Candidates, Dissected, Export, counts_of
from nas.models.encoder import Encoder
from nas.models.segmentation import SegmentationNetwork, resize, without_auxiliary
from search_spaces.genotype import Genotype
from search_spaces.space import DecoderSpace, EncoderCut


class SegmentationCandidates(Candidates):
    """Decoders behind one encoder.

    Args:
        space: Builds the decoders.
        encoder: The backbone that all share.
        num_classes: Number of classes.
        input_shape: N x channels x height x width of one image.
    """

    space: DecoderSpace

    def __init__(
        self,
        space: DecoderSpace,
        encoder: Encoder,
        num_classes: int,
        input_shape: tuple[int, int, int, int],
    ) -> None:
        self.space = space
        self._encoder, self._num_classes = encoder, num_classes
        self.input_shape = input_shape
        self._encoders: dict[tuple[bool, ...], tuple[Operator, ...]] = {}

    @cached_property
    def family(self) -> str:
        """See `Candidates.family`."""
        return f"{self.space.fingerprint} on encoder {self.encoder_digest}"

    @cached_property
    def encoder_digest(self) -> str:
        """Changes with the structure of the encoder and with the size of its input."""
        return _digest(operators_of(self._trace))

    def build(self, genotype: Genotype) -> nn.Module:
        """The decoder, auxiliary heads included."""
        return self.space.build(
            genotype,
            encoder_channels=self._encoder.channels,
            encoder_strides=self._encoder.strides,
            num_classes=self._num_classes,
        )

    def counts(self, genotype: Genotype) -> latency.Counts:
        """See `Candidates.counts`."""
        decoder = latency.count_of_maps(self._hollow(genotype), self._maps)
        # A decoder without a multiplication reads no map: no path leads from the image to the
        # logits, and the encoder is no part of what would be deployed.
        return _sum(self._encoder_counts, decoder) if decoder.macs else decoder

    def dissected(self, genotype: Genotype) -> Dissected:
        """See `Candidates.dissected`."""
        decoder = self._hollow(genotype)
        head = self._followed(decoder)
        counts = counts_of(decoder, head)
        if counts.macs:
            counts = _sum(self._encoder_counts, counts)
        return Dissected(counts, self._operators_with(head))

    def outline(self, genotype: Genotype) -> nn.Module:
        """See `Candidates.outline`."""
        return SegmentationNetwork(self._hollow_encoder, self._hollow(genotype)).eval()

    def network(self, genotype: Genotype) -> nn.Module:
        """See `Candidates.network`."""
        decoder = without_auxiliary(self.build(genotype)).cpu()
        return SegmentationNetwork(self._deployed_encoder, decoder).eval()

    @cached_property
    def export(self) -> Export:
        """See `Candidates.export`; the encoder is traced once."""
        return latency.StemExporter(self._deployed_encoder)

    def _hollow(self, genotype: Genotype) -> nn.Module:
        # Built on the CPU: drawing weights on the meta device takes three times as long.
        return without_auxiliary(self.build(genotype)).eval().to("meta")

    def _followed(self, decoder: nn.Module) -> Trace:
        height, width = self.input_shape[2:]
        return trace_of_maps(_Head(decoder, (height, width)).eval(), self._maps)

    def _operators_with(self, head: Trace) -> tuple[Operator, ...]:
        return (*self._encoder_operators(used_inputs(head)), *operators_of(head))

    @cached_property
    def _encoder_counts(self) -> latency.Counts:
        return latency.count(self._encoder, self.input_shape)

    @property
    def _maps(self) -> list[tuple[int, ...]]:
        return [value.shape for value in self._trace.outputs]

    @cached_property
    def _deployed_encoder(self) -> Encoder:
        # A copy, as the encoder of a search may be on a GPU, or in training.
        return cast(Encoder, deployed_copy(self._encoder, "cpu"))

    @cached_property
    def _hollow_encoder(self) -> Encoder:
        return copy.deepcopy(self._encoder).to("meta").eval()

    @cached_property
    def _trace(self) -> Trace:
        return trace(self._hollow_encoder, self.input_shape)

    def _encoder_operators(self, used: tuple[bool, ...]) -> tuple[Operator, ...]:
        """Those that lead to the maps that are used."""
        if used not in self._encoders:
            outputs: list[Value] = [
                value for value, wanted in zip(self._trace.outputs, used, strict=True) if wanted
            ]
            self._encoders[used] = operators_of(self._trace, outputs)
        return self._encoders[used]


class EncoderCandidates(Candidates):
    """Decoders behind several encoders, which are made when they are first asked for.

    Args:
        space: Says which encoder each candidate has.
        encoder: Makes the encoder of a cut.
        num_classes: Number of classes.
        input_shape: N x channels x height x width of one image.
    """

    space: DecoderSpace

    def __init__(
        self,
        space: DecoderSpace,
        encoder: Callable[[EncoderCut], Encoder],
        num_classes: int,
        input_shape: tuple[int, int, int, int],
    ) -> None:
        self.space = space
        self.input_shape = input_shape
        self._encoder, self._num_classes = encoder, num_classes
        self._behind: dict[EncoderCut, SegmentationCandidates] = {}

    @cached_property
    def family(self) -> str:
        """See `Candidates.family`."""
        whole = [cut for cut in self.space.cuts if cut.strides == self.space.encoder_strides]
        digests = ", ".join(self._of(cut).encoder_digest for cut in whole)
        return f"{self.space.fingerprint} on encoders {digests}"

    def build(self, genotype: Genotype) -> nn.Module:
        """The decoder, auxiliary heads included."""
        return self._like(genotype).build(genotype)

    def counts(self, genotype: Genotype) -> latency.Counts:
        """See `Candidates.counts`."""
        return self._like(genotype).counts(genotype)

    def dissected(self, genotype: Genotype) -> Dissected:
        """See `Candidates.dissected`."""
        return self._like(genotype).dissected(genotype)

    def outline(self, genotype: Genotype) -> nn.Module:
        """See `Candidates.outline`."""
        return self._like(genotype).outline(genotype)

    def network(self, genotype: Genotype) -> nn.Module:
        """See `Candidates.network`."""
        return self._like(genotype).network(genotype)

    def _like(self, genotype: Genotype) -> SegmentationCandidates:
        return self._of(self.space.cut(genotype))

    def _of(self, cut: EncoderCut) -> SegmentationCandidates:
        if cut not in self._behind:
            self._behind[cut] = SegmentationCandidates(
                self.space, self._encoder(cut), self._num_classes, self.input_shape
            )
        return self._behind[cut]


def _sum(first: latency.Counts, second: latency.Counts) -> latency.Counts:
    return latency.Counts(
        first.parameters + second.parameters, first.macs + second.macs, first.flops + second.flops
    )


def _digest(operators: Iterable[Operator]) -> str:
    """Changes with the structure of a network and with the size of its input."""
    text = "\n".join(operator.key for operator in operators)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


class _Head(nn.Module):
    """What follows the encoder: the decoder, and its logits at the size of the image."""

    def __init__(self, decoder: nn.Module, size: tuple[int, int]) -> None:
        super().__init__()
        self.decoder = decoder
        self._size = size

    def forward(self, maps: list[Tensor]) -> Tensor:
        return resize(self.decoder(maps), self._size)
