"""Segmentation networks by their settings: a backbone with a plain or a searched decoder."""

from __future__ import annotations

from typing import Any

from pydantic import field_validator
from torch import nn

import search_spaces
from nas.models.encoder import IMAGENET, NONE, TASK, Encoder, EncoderSettings, untrained_encoder
from nas.models.network_settings import NetworkSettings
from nas.models.own import create_own, is_own
from nas.models.segmentation import PlainDecoder, SegmentationNetwork, without_auxiliary
from search_spaces.space import DecoderSpace


class BackboneSettings(EncoderSettings):
    """A backbone that is trained together with its decoder.

    Attributes:
        name: A timm model that has ``features_only``.
        weights: ``none``, ``imagenet`` or a file.
        options: Further arguments of ``timm.create_model``.
    """

    name: str = "resnet18"
    weights: str = NONE

    @field_validator("weights")
    @classmethod
    def _weights_exist(cls, weights: str) -> str:
        if weights == TASK:
            raise ValueError(
                f"this network is itself trained on the task; its weights start from {NONE!r}, "
                f"{IMAGENET!r} or a file"
            )
        return weights


class SegmenterSettings(BackboneSettings, NetworkSettings):
    """A backbone with a plain decoder, such as a teacher.

    Attributes:
        strides: Strides of the maps that the decoder uses.
    """

    strides: tuple[int, ...] = (2, 4, 8, 16, 32)

    def create(self, num_classes: int, channels: int) -> nn.Module:
        """The network with the weights that training starts from.

        A network of one's own that is no backbone, as it gives no maps, is the whole network.

        Raises:
            UserError: If timm has no such model, it lacks a stride, or the weights do not fit.
        """
        if is_own(self.name):
            network = create_own(
                self.name, num_classes=num_classes, in_channels=channels, **self.options
            )
            if not hasattr(network, "strides"):
                return network
        encoder = self.encoder(channels)
        return SegmentationNetwork(encoder, PlainDecoder(encoder.channels, num_classes))

    def encoder(self, channels: int) -> Encoder:
        """The backbone with the weights that training starts from.

        Raises:
            UserError: If timm has no such model, it lacks a stride, or the weights do not fit.
        """
        return Encoder(
            EncoderSettings(**self.model_dump(exclude={"strides"})), self.strides, channels
        )

    def build(self, num_classes: int, input_size: tuple[int, int], channels: int) -> nn.Module:
        return self.model_copy(update={"weights": NONE}).create(num_classes, channels)


class SearchedSegmenterSettings(NetworkSettings):
    """A decoder that a search has found, with its encoder.

    Attributes:
        space: Name of the search space.
        space_options: Its options.
        genotype: Nested form of the genotype.
        encoder: The backbone.
    """

    space: str
    space_options: dict[str, Any]
    genotype: str
    encoder: EncoderSettings

    def build(self, num_classes: int, input_size: tuple[int, int], channels: int) -> nn.Module:
        network = self.build_for_training(num_classes, channels)
        without_auxiliary(network.decoder)
        return network

    def build_for_training(self, num_classes: int, channels: int) -> SegmentationNetwork:
        """The network with random weights, auxiliary heads included."""
        space = self.build_space()
        genotype = space.parse(self.genotype)
        encoder = untrained_encoder(self.encoder, space.cut(genotype).strides, channels)
        decoder = space.build(
            genotype,
            encoder_channels=encoder.channels,
            encoder_strides=encoder.strides,
            num_classes=num_classes,
        )
        return SegmentationNetwork(encoder, decoder)

    def build_space(self) -> DecoderSpace:
        """The search space."""
        space = search_spaces.create(self.space, **self.space_options)
        assert isinstance(space, DecoderSpace)  # it was one when the genotype was found
        return space
