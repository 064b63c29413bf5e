"""A classifier that a search has found, by its genotype."""

from __future__ import annotations

from typing import Any

from torch import nn

import search_spaces
from nas.models.network_settings import NetworkSettings
from search_spaces.space import ClassifierSpace


class SearchedClassifierSettings(NetworkSettings):
    """Which candidate of which search space.

    Attributes:
        space: Name of the search space.
        space_options: Its options.
        genotype: Nested form of the genotype.
    """

    space: str
    space_options: dict[str, Any]
    genotype: str

    def build(self, num_classes: int, input_size: tuple[int, int], channels: int) -> nn.Module:
        space = self.build_space()
        genotype = space.parse(self.genotype)
        return space.build(genotype, num_classes=num_classes, in_channels=channels)

    def build_space(self) -> ClassifierSpace:
        """The search space."""
        space = search_spaces.create(self.space, **self.space_options)
        assert isinstance(space, ClassifierSpace)  # it was one when the genotype was found
        return space
