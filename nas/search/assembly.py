"""Puts a search of any kind together."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from nas.evaluation.ahead import Announce
from nas.search.config import SearchConfig
from nas.search.kinds import (
    ClassificationSearchConfig,
    SegmentationSearchConfig,
    TableSearchConfig,
)
from nas.search.parts import Assembly, Parts
from nas.search.run_folder import RunFolder
from rewards import Reward
from search_spaces.space import SearchSpace

IMPORT_PATH = f"{__name__}:standard"
"""Where worker processes find `standard`."""

# Modules by name: a search for classifiers need not import what one for decoders needs.
_ASSEMBLIES: dict[type[SearchConfig], tuple[str, str]] = {
    SegmentationSearchConfig: ("nas.search.segmentation", "SegmentationAssembly"),
    ClassificationSearchConfig: ("nas.search.classification", "ClassificationAssembly"),
    TableSearchConfig: ("nas.search.table", "TableAssembly"),
}


class AnyAssembly:
    """Leaves each configuration to the assembly of its kind.

    Args:
        announce: Told (what is trained, the epoch, the number of epochs) of trainings before the
            first candidate.
        say: Told, in a sentence, what was found or is being done.
    """

    def __init__(
        self,
        announce: Announce = lambda what, record, epochs: None,
        say: Callable[[str], None] = lambda sentence: None,
    ) -> None:
        self._announce = announce
        self._say = say

    def space(self, config: SearchConfig) -> SearchSpace:
        """See `Assembly.space`."""
        return self._of(config).space(config)

    def reward(self, config: SearchConfig) -> Reward:
        """See `Assembly.reward`."""
        return self._of(config).reward(config)

    def check(self, config: SearchConfig) -> None:
        """See `Assembly.check`."""
        self._of(config).check(config)

    def prepare(self, run: RunFolder, config: SearchConfig) -> SearchConfig:
        """See `Assembly.prepare`."""
        return self._of(config).prepare(run, config)

    def parts(self, run: RunFolder, config: SearchConfig, device: str) -> Parts:
        """See `Assembly.parts`."""
        return self._of(config).parts(run, config, device)

    def _of(self, config: SearchConfig) -> Assembly:
        module, name = _ASSEMBLIES[type(config)]
        assembly: Assembly = getattr(import_module(module), name)(self._announce, self._say)
        return assembly


standard = AnyAssembly()
"""An assembly that tells nobody of its progress."""
