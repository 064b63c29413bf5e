"""Candidates as a predictor of latencies sees them: networks, made of operators."""

from __future__ import annotations

import copy
import hashlib
import random
from abc import ABC, abstractmethod
from collections.abc import Iterable
from functools import cached_property

from torch import Tensor, nn

from latency.operators import Operator, operators_of, used_inputs
from latency.tracing import Trace, Value, trace, trace_of_maps
from nas.models.encoder import NONE, Encoder, EncoderSettings
from nas.models.segmentation import SegmentationNetwork, resize, without_auxiliary
from search_spaces.genotype import Genotype
from search_spaces.space import ClassifierSpace, DecoderSpace, SearchSpace


class Candidates(ABC):
    """The networks of a search.

    Attributes:
        space: Where they come from.
        input_shape: N x channels x height x width of one image.
    """

    space: SearchSpace
    input_shape: tuple[int, int, int, int]

    @property
    @abstractmethod
    def family(self) -> str:
        """A name of the networks that share encoder, image size and space."""

    def sample(self, rng: random.Random) -> Genotype:
        """Draws a candidate."""
        return self.space.sample(rng)

    @abstractmethod
    def operators(self, genotype: Genotype) -> tuple[Operator, ...]:
        """What the deployed network is made of; nothing is computed."""

    @abstractmethod
    def network(self, genotype: Genotype) -> nn.Module:
        """The deployed network with random weights, in evaluation mode on the CPU."""


class SegmentationCandidates(Candidates):
    """Decoders behind one encoder.

    Args:
        space: Builds the decoders.
        encoder: The backbone that all share.
        num_classes: Number of classes.
        input_size: Height and width of the images, in pixels.
    """

    space: DecoderSpace

    def __init__(
        self, space: DecoderSpace, encoder: Encoder, num_classes: int, input_size: tuple[int, int]
    ) -> None:
        self.space = space
        self._encoder, self._num_classes = encoder, num_classes
        self.input_shape = (1, 3, *input_size)
        self._encoders: dict[tuple[bool, ...], tuple[Operator, ...]] = {}

    @cached_property
    def family(self) -> str:
        """See `Candidates.family`."""
        operators = operators_of(self._trace)
        return f"{self.space.fingerprint} on encoder {_digest(operators)}"

    def operators(self, genotype: Genotype) -> tuple[Operator, ...]:
        """See `Candidates.operators`."""
        # Built on the CPU: drawing weights on the meta device takes three times as long.
        decoder = without_auxiliary(self._decoder(genotype)).to("meta")
        return self.operators_behind(decoder)

    def operators_behind(self, decoder: nn.Module) -> tuple[Operator, ...]:
        """The operators of the encoder and of a decoder that has been built.

        Args:
            decoder: Without auxiliary heads. On the meta device it is followed as it is, which
                spares a copy.
        """
        height, width = self.input_shape[2:]
        head = _Head(decoder, (height, width)).eval()
        followed = trace_of_maps(head, [value.shape for value in self._trace.outputs])
        return (*self._encoder_operators(used_inputs(followed)), *operators_of(followed))

    def network(self, genotype: Genotype) -> nn.Module:
        """See `Candidates.network`."""
        network = SegmentationNetwork(copy.deepcopy(self._encoder), self._decoder(genotype)).cpu()
        without_auxiliary(network.decoder)
        return network.eval()

    def _decoder(self, genotype: Genotype) -> nn.Module:
        return self.space.build(
            genotype,
            encoder_channels=self._encoder.channels,
            encoder_strides=self._encoder.strides,
            num_classes=self._num_classes,
        )

    @cached_property
    def _trace(self) -> Trace:
        return trace(self._encoder, self.input_shape)

    def _encoder_operators(self, used: tuple[bool, ...]) -> tuple[Operator, ...]:
        """Those that lead to the maps that are used."""
        if used not in self._encoders:
            outputs: list[Value] = [
                value for value, wanted in zip(self._trace.outputs, used, strict=True) if wanted
            ]
            self._encoders[used] = operators_of(self._trace, outputs)
        return self._encoders[used]


class ClassifierCandidates(Candidates):
    """Whole classifiers.

    Args:
        space: Builds them.
        num_classes: Number of classes.
        input_size: Height and width of the images, in pixels.
    """

    space: ClassifierSpace

    def __init__(
        self, space: ClassifierSpace, num_classes: int, input_size: tuple[int, int]
    ) -> None:
        self.space, self._num_classes = space, num_classes
        self.input_shape = (1, 3, *input_size)

    @property
    def family(self) -> str:
        """See `Candidates.family`."""
        height, width = self.input_shape[2:]
        return f"{self.space.fingerprint} at {height}x{width}"

    def operators(self, genotype: Genotype) -> tuple[Operator, ...]:
        """See `Candidates.operators`."""
        return self.operators_in(self.network(genotype).to("meta"))

    def operators_in(self, network: nn.Module) -> tuple[Operator, ...]:
        """The operators of a network that has been built, best on the meta device."""
        return operators_of(trace(network.eval(), self.input_shape))

    def network(self, genotype: Genotype) -> nn.Module:
        """See `Candidates.network`."""
        return self.space.build(genotype, num_classes=self._num_classes).eval()


def untrained_encoder(settings: EncoderSettings, space: DecoderSpace) -> Encoder:
    """The encoder of a search with random weights, which do not change a latency."""
    bare = settings.model_copy(update={"weights": NONE})
    return Encoder(bare, space.encoder_strides)


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
