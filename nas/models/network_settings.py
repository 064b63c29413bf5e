"""How a network is built, as settings that fit into a file."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import nn

from nas.settings import Settings


class NetworkSettings(Settings, ABC):
    """How a network is built; the base of what a network file tells."""

    @abstractmethod
    def build(self, num_classes: int, input_size: tuple[int, int], channels: int) -> nn.Module:
        """The network as it is deployed, with random weights.

        Args:
            num_classes: Number of classes.
            input_size: Height and width of the images, in pixels.
            channels: Channels of the images.

        Raises:
            UserError: If there is no such network, or it cannot take such images.
        """

    def as_built(self, network: nn.Module) -> NetworkSettings:
        """The settings that build this network, whatever was left open when it was built."""
        return self
