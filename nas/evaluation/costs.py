"""What a candidate costs when it is deployed."""

from __future__ import annotations

import copy
from functools import cached_property
from typing import Any

from torch import nn

import latency
from nas.models.encoder import Encoder
from nas.models.segmentation import SegmentationNetwork, without_auxiliary
from search_spaces.genotype import Genotype
from search_spaces.space import DecoderSpace


class CostMeter:
    """Counts and measures whole networks: encoder included, auxiliary heads left out.

    Args:
        space: Builds the decoders.
        encoder: The backbone that all candidates share.
        num_classes: Number of classes.
        input_size: Height and width of the images, in pixels.
        latency_device: ``cpu`` or ``cuda:N`` to measure latency there, None for counts only.
    """

    def __init__(
        self,
        space: DecoderSpace,
        encoder: Encoder,
        num_classes: int,
        input_size: tuple[int, int],
        latency_device: str | None = None,
    ):
        self._space = space
        self._encoder = encoder
        self._num_classes = num_classes
        self._input_shape = (1, 3, *input_size)
        self._latency_device = latency_device

    def build(self, genotype: Genotype) -> nn.Module:
        """The decoder of a candidate, auxiliary heads included, with random weights."""
        return self._space.build(
            genotype,
            encoder_channels=self._encoder.channels,
            encoder_strides=self._encoder.strides,
            num_classes=self._num_classes,
        )

    def counts(self, genotype: Genotype) -> dict[str, float]:
        """Parameters, MACs and FLOPs of one forward pass of one image.

        Nothing is computed. The counts of encoder and decoder add up, so that of the encoder is
        taken once.
        """
        # Built on the CPU: drawing weights on the meta device takes three times as long.
        decoder = without_auxiliary(self.build(genotype)).eval().to("meta")
        height, width = self._input_shape[2:]
        maps = [
            (1, channels, -(-height // stride), -(-width // stride))
            for channels, stride in zip(self._encoder.channels, self._encoder.strides, strict=True)
        ]
        parts = (self._encoder_counts, latency.count_of_maps(decoder, maps))
        return {
            "params": float(sum(part.parameters for part in parts)),
            "macs": float(sum(part.macs for part in parts)),
            "flops": float(sum(part.flops for part in parts)),
        }

    def measured(self, genotype: Genotype) -> tuple[dict[str, float], dict[str, Any]]:
        """The counts, the latency in milliseconds if there is a device for it, and its details.

        Raises:
            LatencyError: If it cannot be measured on that device.
        """
        counts = self.counts(genotype)
        if self._latency_device is None:
            return counts, {}
        network = SegmentationNetwork(copy.deepcopy(self._encoder), self.build(genotype)).cpu()
        without_auxiliary(network.decoder)
        figure = latency.measure(network.eval(), self._input_shape, device=self._latency_device)
        return counts | {"latency": figure.median_ms}, {"latency": figure.to_dict()}

    @cached_property
    def _encoder_counts(self) -> latency.Counts:
        return latency.count(self._encoder, self._input_shape)
