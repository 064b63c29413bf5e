"""What a classification candidate costs when it is deployed."""

from __future__ import annotations

from typing import Any

from torch import nn

import latency
from search_spaces.genotype import Genotype
from search_spaces.space import ClassifierSpace


class ClassifierCosts:
    """Counts and measures classifiers.

    Args:
        space: Builds them.
        num_classes: Number of classes.
        input_size: Height and width of the images, in pixels.
        latency_device: ``cpu`` or ``cuda:N`` to measure latency there, None for counts only.
    """

    def __init__(
        self,
        space: ClassifierSpace,
        num_classes: int,
        input_size: tuple[int, int],
        latency_device: str | None = None,
    ) -> None:
        self._space = space
        self._num_classes = num_classes
        self._input_shape = (1, 3, *input_size)
        self._latency_device = latency_device

    def build(self, genotype: Genotype) -> nn.Module:
        """The network of a candidate, with random weights."""
        return self._space.build(genotype, num_classes=self._num_classes)

    def counts(self, genotype: Genotype) -> dict[str, float]:
        """Parameters, MACs and FLOPs of one forward pass of one image; nothing is computed."""
        counted = latency.count(self.build(genotype).eval(), self._input_shape)
        return {
            "params": float(counted.parameters),
            "macs": float(counted.macs),
            "flops": float(counted.flops),
        }

    def measured(self, genotype: Genotype) -> tuple[dict[str, float], dict[str, Any]]:
        """The counts, the latency in milliseconds if there is a device for it, and its details.

        Raises:
            LatencyError: If it cannot be measured on that device.
        """
        counts = self.counts(genotype)
        if self._latency_device is None:
            return counts, {}
        network = self.build(genotype).eval()
        figure = latency.measure(network, self._input_shape, device=self._latency_device)
        return counts | {"latency": figure.median_ms}, {"latency": figure.to_dict()}
