"""The paths across networks that learned together, as a search space."""

from __future__ import annotations

from collections.abc import Sequence

from nas.controllers.every_candidate import EveryCandidate
from search_spaces.decision import Decision
from search_spaces.space import SearchSpace, SpaceError

__all__ = ["CONTROLLER", "SPACE", "EveryCandidate", "PathSpace"]

SPACE = f"{__name__}:PathSpace"
CONTROLLER = f"{__name__}:EveryCandidate"


class PathSpace(SearchSpace):
    """One decision for each part: the network that it comes from.

    Args:
        networks: Their names.
        parts: Of each network.

    Raises:
        SpaceError: If there is nothing to choose from.
    """

    name = "paths"
    kind = "classification"

    def __init__(self, networks: Sequence[str], parts: int = 2):
        if len(networks) < 2 or parts < 1:
            raise SpaceError("paths need two networks or more, and at least one part.")
        self.networks = list(networks)
        self.parts = parts
        self.decisions = tuple(
            Decision(f"part{number}", tuple(networks)) for number in range(1, parts + 1)
        )
