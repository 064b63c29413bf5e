"""The paths across networks that learned together, as a search space."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from optuna import Study
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial

from search_spaces.decision import Decision
from search_spaces.space import SearchSpace, SpaceError

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


class EveryCandidate(BaseSampler):
    """Draws the candidates of a space one after the other, in the order of their options."""

    def __init__(self, space: SearchSpace):
        self._space = space

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Nothing: each decision follows from the number of the trial."""
        return {}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: Mapping[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Nothing."""
        return {}

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """The option of a decision for the number of the trial, the last decision fastest."""
        assert isinstance(param_distribution, CategoricalDistribution)
        rest = trial.number
        for decision in reversed(self._space.decisions):
            rest, option = divmod(rest, len(decision.options))
            if decision.name == param_name:
                return decision.options[option]
        raise ValueError(f"the space has no decision {param_name!r}")
