"""The reward of a search: built from its settings, with bases from its space, read back from a run.

None of it loads a task, so that a run can be read wherever its data is.
"""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Protocol, TypeVar

from optuna.trial import FrozenTrial, TrialState

from latency.costs import amount, cost_names
from nas.errors import UserError, sentence
from nas.evaluation.evaluation import EvaluationError
from nas.evaluation.known import Known
from nas.searching.config import SearchConfig
from nas.searching.records import TrialRecord
from nas.searching.sections import PenaltySettings, RewardSettings
from nas.settings import validate
from rewards import Drop, Penalty, Reward, RewardError, automatic_base
from rewards import metric as metric_named
from search_spaces.genotype import Genotype
from search_spaces.space import SearchSpace

_SAMPLES = 200
"""Number of sampled genotypes whose median cost is the automatic base."""
_MEASURED = 11
"""How many of them are measured, for a cost that takes a measurement."""

C = TypeVar("C", bound=SearchConfig)


def make_reward(
    settings: RewardSettings,
    of: str,
    classes: Sequence[str],
    default: Sequence[str],
    costs: Sequence[str] | None = None,
) -> Reward:
    """The reward that settings describe; an automatic base that is not resolved yet counts as 1.

    Args:
        settings: What earns reward, and what lowers it.
        of: What the classes belong to, for the error message.
        classes: The classes that are scored.
        default: The classes that earn reward unless the settings say otherwise.
        costs: The costs that can be penalised; all that are declared unless given.

    Raises:
        UserError: If a class, the metric or a cost is unknown.
    """
    chosen = settings.classes or default
    known = cost_names() if costs is None else costs
    unknown = [name for name in chosen if name not in classes and _is_by_class(settings.metric)]
    if unknown:
        raise UserError(
            f"reward class {unknown[0]!r} is not a class of {of}; it has: {', '.join(classes)}."
        )
    try:
        return Reward(
            tuple(chosen),
            settings.metric,
            settings.aggregate,
            tuple(_penalty(penalty, known) for penalty in settings.penalties),
            settings.combine,
        )
    except RewardError as error:
        raise UserError(f"reward: {error}") from error


def saved_reward(
    own: RewardSettings,
    complete: Sequence[TrialRecord],
    where: str,
    changes: Mapping[str, Any] = MappingProxyType({}),
) -> Reward:
    """The reward of a run, from its saved configuration and the names in its records alone.

    Args:
        own: The saved settings of the run, whose bases are numbers.
        complete: The complete trials of the run; at least one.
        where: The run, for error messages.
        changes: Settings that replace those of the run, to read it with another reward.

    Raises:
        UserError: If a setting is wrong, a class or a cost was not recorded, a penalty has no base,
            or the run does not tell which classes earn reward.
    """
    settings = validate(RewardSettings, {**own.model_dump(), **changes}, "reward")
    classes = _scored(complete, settings.metric)
    if not classes:
        raise UserError(f"{where}: its trials have no scores of the metric {settings.metric!r}.")
    chosen = settings.classes or _classes_that_earned(own, complete, where)
    penalties = tuple(_with_base(penalty, own, where) for penalty in settings.penalties)
    resolved = settings.model_copy(update={"classes": chosen, "penalties": penalties})
    costs = list(dict.fromkeys(cost for record in complete for cost in record.costs))
    return make_reward(resolved, f"the search {where}", classes, (), costs)


def reward_of(reward: Reward) -> Callable[[FrozenTrial], float | None]:
    """A function that gives the penalised reward of a trial from its record.

    The function returns None for a trial that was not evaluated to its end.
    """

    def reward_of_trial(trial: FrozenTrial) -> float | None:
        if trial.state != TrialState.COMPLETE:
            return None
        return reward(trial.user_attrs["scores"], trial.user_attrs["costs"])

    return reward_of_trial


class Costs(Protocol):
    """Tells the costs of a genotype without training it."""

    def counts(self, genotype: Genotype) -> Mapping[str, float]:
        """Costs that take no measurement, such as params, macs and flops."""

    def known(self, genotype: Genotype) -> Known:
        """The same costs, and those that take a measurement."""


def with_bases(config: C, space: SearchSpace, costs: Costs, say: Callable[[str], None]) -> C:
    """A configuration whose automatic bases of penalties are replaced by numbers.

    Args:
        config: Configuration of the search.
        space: The space that genotypes are sampled from.
        costs: Tells what they cost.
        say: Called with a sentence for every base.

    Raises:
        UserError: If no sampled genotype has the cost of a penalty.
    """
    if not any(penalty.base == "auto" for penalty in config.reward.penalties):
        return config
    say(f"bases of the penalties: counting {_SAMPLES} sampled genotypes")
    bases = _median_costs(space, costs, config)
    for cost, base in bases.items():
        say(f"base of the penalty on {cost}: {amount(cost, base)}")
    penalties = [
        p.model_copy(update={"base": bases[p.cost]}) if p.base == "auto" else p
        for p in config.reward.penalties
    ]
    return with_reward(config, penalties=tuple(penalties))


def with_reward(config: C, **changes: Any) -> C:
    """A configuration with changes to its reward."""
    return config.model_copy(update={"reward": config.reward.model_copy(update=changes)})


def _penalty(settings: PenaltySettings, costs: Sequence[str]) -> Penalty:
    if settings.cost not in costs:
        raise UserError(f"no cost {settings.cost!r} to penalise; known: {', '.join(costs)}.")
    base = 1.0 if isinstance(settings.base, str) else settings.base
    floors = settings.drop
    drop = Drop(floors.cost_floor, floors.quality_floor) if floors is not None else None
    return Penalty(settings.cost, base, settings.exponent, drop)


def _scored(complete: Sequence[TrialRecord], metric: str) -> tuple[str, ...]:
    try:
        key = metric_named(metric).name
    except RewardError as error:
        raise UserError(f"reward: {error}") from error
    return tuple(dict.fromkeys(name for r in complete for name in r.scores.get(key, {})))


def _is_by_class(name: str) -> bool:
    return metric_named(name).scope == "class"


def _classes_that_earned(
    own: RewardSettings, complete: Sequence[TrialRecord], where: str
) -> tuple[str, ...]:
    """The reward classes of a run whose saved configuration does not name them.

    A search saves their names before its first trial; older or edited configurations may lack them.
    """
    classes = _scored(complete, own.metric)
    reward = make_reward(own.model_copy(update={"penalties": ()}), where, classes, classes)
    for record in complete:
        assert record.quality is not None  # the trial is complete
        if not math.isclose(reward.quality(record.scores), record.quality):
            raise UserError(
                f"{where}: its config.yaml does not say which classes earn reward, and not all of "
                f"them did ({', '.join(classes)}); set reward.classes there."
            )
    return classes


def _with_base(penalty: PenaltySettings, own: RewardSettings, where: str) -> PenaltySettings:
    if penalty.base != "auto":
        return penalty
    base = next((known.base for known in own.penalties if known.cost == penalty.cost), "auto")
    if base == "auto":
        raise UserError(
            f"{where}: the search had no penalty on {penalty.cost} whose base could be used; "
            "give --base."
        )
    return penalty.model_copy(update={"base": base})


def _median_costs(space: SearchSpace, costs: Costs, config: SearchConfig) -> dict[str, float]:
    rng = random.Random(config.seed)
    counted = _told(costs.counts, [space.sample(rng) for _ in range(_SAMPLES)])
    bases = {}
    for penalty in config.reward.penalties:
        if penalty.base != "auto":
            continue
        if all(penalty.cost in known for known, _ in counted):
            figures = [known[penalty.cost] for known, _ in counted]
        else:
            # A measurement takes a second or more, so only the middle of the FLOPs is measured.
            middle = statistics.median(known["flops"] for known, _ in counted)
            nearest = sorted(counted, key=lambda pair: abs(pair[0]["flops"] - middle))[:_MEASURED]
            measured = _told(
                lambda genotype: costs.known(genotype).costs, [genotype for _, genotype in nearest]
            )
            figures = [known[penalty.cost] for known, _ in measured]
        # A genotype in which no path leads to the logits costs nothing, and is no network.
        bases[penalty.cost] = automatic_base([figure for figure in figures if figure > 0])
    return bases


def _told(
    tell: Callable[[Genotype], Mapping[str, float]], genotypes: list[Genotype]
) -> list[tuple[Mapping[str, float], Genotype]]:
    """The costs of those genotypes that have some; in a search, the others fail."""
    told, reason = [], ""
    for genotype in genotypes:
        try:
            told.append((tell(genotype), genotype))
        except EvaluationError as error:
            reason = str(error)
    if not told:
        raise UserError(sentence(f"the base of a penalty cannot be found: {reason}"))
    return told
