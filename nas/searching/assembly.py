"""Puts a search together from its configuration."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol, TypeVar, cast

from optuna.samplers import BaseSampler

import search_spaces
from nas import controllers
from nas.errors import UserError
from nas.evaluation.evaluation import Decide, EvaluationError, go_on
from nas.kinds.ahead import Announce
from nas.searching.config import SearchConfig, SweepSearchConfig, TableSearchConfig
from nas.searching.continuing import StudyData
from nas.searching.reward import reward_of
from nas.searching.run_folder import RunFolder
from nas.searching.sections import PromotionSettings
from nas.searching.sharing import require_importable
from rewards import Reward
from search_spaces.genotype import Genotype
from search_spaces.space import SearchSpace

_IMAGES = ("nas.searching.images", "ImageAssembly")
_TABLE = ("nas.searching.table", "TableAssembly")
# Of a floor above, which is why it is named and not imported.
_SWEEP = ("nas.sweeping.assembly", "SweepAssembly")

IMPORT_PATH = f"{__name__}:standard"
"""Where worker processes find `standard`."""

C = TypeVar("C", bound=SearchConfig)


class Evaluated(Protocol):
    """The outcome of one evaluation, as `nas.evaluation` gives it."""

    def to_record(self) -> dict[str, Any]:
        """Returns scores, macro, groups, costs, curves, seconds, details, rung and stopped."""


class CandidateEvaluator(Protocol):
    """Genotype in, quality and costs out."""

    def evaluate(self, genotype: Genotype, seed: int, decide: Decide = go_on) -> Evaluated:
        """Trains and scores one candidate; raises rather than scoring a failure."""


KnownCosts = Callable[[Genotype], Mapping[str, float]]
"""Costs of a candidate that are known before it is trained, by name."""
Confirm = Callable[[Genotype, dict[str, Any]], dict[str, Any]]
"""Measures what was predicted of a trained candidate, and gives its record with that in it."""


@dataclass(frozen=True)
class Parts:
    """What one worker needs to evaluate candidates.

    Args:
        space: What can be built.
        reward: How good a candidate is.
        controller: What draws the next candidate.
        evaluator: What trains and scores it.
        promotion: When a candidate's training is cut short, or None.
        known_costs: What is held against the limits of the search before a candidate is trained;
            None goes with no limits. It raises as the evaluator does.
        confirm: Called for a trained candidate that would be on the front of the search, before
            its values count; None where nothing was predicted.
        failures: Exceptions of the evaluator that fail the candidate. Every other one is a
            defect, which ends the worker.
    """

    space: SearchSpace
    reward: Reward
    controller: BaseSampler
    evaluator: CandidateEvaluator
    promotion: PromotionSettings | None = None
    known_costs: KnownCosts | None = None
    confirm: Confirm | None = None
    failures: tuple[type[Exception], ...] = (EvaluationError, RuntimeError, MemoryError)


class Assembly(Protocol):
    """What turns a configuration into parts."""

    def space(self, config: SearchConfig) -> SearchSpace:
        """Returns the search space."""

    def reward(self, config: SearchConfig) -> Reward:
        """Returns the reward; an automatic base that is not resolved yet counts as 1.

        Raises:
            UserError: If a class, a metric or a cost is unknown.
        """

    def data(self, config: SearchConfig) -> StudyData:
        """What candidates learn from, as it is now.

        Raises:
            UserError: If it cannot be read.
        """

    def check(self, config: SearchConfig) -> None:
        """Refuses what can be seen to be wrong before a run folder is made.

        Raises:
            UserError: If the data or a setting is wrong.
        """

    def prepare(self, run: RunFolder, config: SearchConfig) -> SearchConfig:
        """Does what is done once for a run, and returns the resolved configuration.

        Trains or loads the teacher, replaces automatic bases by numbers. It is
        called again when a search resumes, and then finds its results in the run's cache.
        """

    def parts(self, run: RunFolder, config: SearchConfig, device: str) -> Parts:
        """Returns the parts of one worker on a device such as "cpu" or "cuda:0"."""


class StandardAssembly:
    """Leaves each configuration to the assembly for images, for tables or for sweeps.

    Task, encoder and teacher are read once, however often they are asked for.

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
        self._announce, self._say = announce, say
        self._assemblies: dict[str, Assembly] = {}

    def space(self, config: SearchConfig) -> SearchSpace:
        """See `Assembly.space`."""
        return self._of(config).space(config)

    def reward(self, config: SearchConfig) -> Reward:
        """See `Assembly.reward`."""
        return self._of(config).reward(config)

    def data(self, config: SearchConfig) -> StudyData:
        """See `Assembly.data`."""
        return self._of(config).data(config)

    def check(self, config: SearchConfig) -> None:
        """See `Assembly.check`."""
        require_importable(config)
        self._of(config).check(config)

    def space_within(
        self, config: SearchConfig, with_space: Callable[[str], SearchConfig]
    ) -> str | None:
        """The space of a search that names none, as its limits ask for.

        Args:
            config: Of the search.
            with_space: The same search in a space.

        Returns:
            Its name, or None where the default does.

        Raises:
            UserError: If no space has networks within the limits.
        """
        if isinstance(config, TableSearchConfig | SweepSearchConfig) or not config.limits:
            return None
        # A table and a sweep have one space, so that only the assembly for images chooses one.
        images: Any = self._of(config)
        found: str | None = images.space_within(config, with_space)
        return found

    def prepare(self, run: RunFolder, config: SearchConfig) -> SearchConfig:
        """See `Assembly.prepare`."""
        return self._of(config).prepare(run, config)

    def parts(self, run: RunFolder, config: SearchConfig, device: str) -> Parts:
        """See `Assembly.parts`."""
        return self._of(config).parts(run, config, device)

    def _of(self, config: SearchConfig) -> Assembly:
        # A search on a table need not import what one on images needs.
        module, name = _IMAGES
        if isinstance(config, TableSearchConfig):
            module, name = _TABLE
        elif isinstance(config, SweepSearchConfig):
            module, name = _SWEEP
        if name not in self._assemblies:
            made = getattr(import_module(module), name)(self._announce, self._say)
            self._assemblies[name] = made
        return self._assemblies[name]


standard = StandardAssembly()
"""An assembly that tells nobody of its progress."""


def of_kind(config: SearchConfig, kind: type[C]) -> C:
    """The same configuration, which has to be of a kind.

    Raises:
        TypeError: If it is not: the wrong assembly was asked.
    """
    if not isinstance(config, kind):
        raise TypeError(f"a {kind.__name__} is needed here, and this is {type(config).__name__}")
    return config


def make_space(config: SearchConfig) -> SearchSpace:
    """The search space of a configuration.

    Raises:
        UserError: If its name or an option is wrong.
    """
    try:
        return search_spaces.create(config.space.name, **config.space.options)
    except (ValueError, TypeError) as error:
        raise UserError(f"space {config.space.name!r}: {error}") from error


def make_controller(config: SearchConfig, space: SearchSpace, reward: Reward) -> BaseSampler:
    """The controller of a configuration.

    Raises:
        UserError: If its name or a setting is wrong.
    """
    name, settings = config.controller.name, config.controller.settings
    return controllers.create(name, space, reward_of(reward), config.seed, **settings)


def load_assembly(path: str) -> Assembly:
    """Imports an assembly by its path ``package.module:name``."""
    module, _, attribute = path.partition(":")
    return cast(Assembly, getattr(import_module(module), attribute))
