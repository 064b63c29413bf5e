"""The settings of a sweep as a search space."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from nas.controllers.every_candidate import EveryCandidate
from search_spaces.decision import Decision
from search_spaces.genotype import Genotype
from search_spaces.space import SearchSpace

SPACE = f"{__name__}:SettingsSpace"
CONTROLLER = f"{EveryCandidate.__module__}:{EveryCandidate.__name__}"


class SettingsSpace(SearchSpace):
    """One decision for each setting: which of its values it takes.

    Args:
        settings: Values of each setting, by its dotted key.
    """

    name = "settings"
    kind = "classification"

    def __init__(self, settings: Mapping[str, Sequence[Any]]):
        self.settings = {key: list(values) for key, values in settings.items()}
        self.decisions = tuple(
            Decision(key, tuple(_text(value) for value in values))
            for key, values in self.settings.items()
        )

    def values(self, genotype: Genotype) -> dict[str, Any]:
        """The values of a candidate by dotted key."""
        return {key: json.loads(str(text)) for key, text in self.choices(genotype).items()}

    def genotype_of(self, values: Mapping[str, Any]) -> Genotype:
        """The inverse of `values`."""
        return self.genotype({key: _text(value) for key, value in values.items()})


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)
