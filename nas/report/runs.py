"""The candidates of runs, as `nas.pareto` compares them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from latency.costs import declared
from nas.errors import UserError
from nas.pareto.candidates import Candidate, Series
from nas.pareto.objectives import Objective
from nas.search.assembly import standard
from nas.search.config import RewardSettings
from nas.search.records import TrialRecord, complete_records
from nas.search.run_folder import RunFolder
from nas.search.rungs import trained
from nas.search.search_quality import UNPENALISED_COST
from nas.search.study import read_study
from nas.settings import validate
from rewards import Reward

QUALITY = Objective("quality", "maximise", "Quality")
GROUP_PREFIX = "f1_"
"""Before the name of a group of classes, among the values of a candidate."""


@dataclass(frozen=True)
class Reading:
    """How the trials of runs are read.

    Attributes:
        cost: The cost on the other axis of the front.
        reward: Values that take the place of those of each run's own reward.
    """

    cost: str
    reward: Mapping[str, Any] = field(default_factory=dict)

    @property
    def objectives(self) -> tuple[Objective, Objective]:
        """Quality to be maximised, cost to be minimised."""
        return QUALITY, _objective(self.cost)


def _objective(cost: str) -> Objective:
    known = declared(cost)
    if known is None:
        return Objective(cost, "minimise")
    label = known.label[:1].upper() + known.label[1:]
    return Objective(cost, "minimise", label, known.unit.symbol, known.unit.prefixed)


def default_cost(run: RunFolder) -> str:
    """The first penalised cost of a run, or FLOPs where none is penalised."""
    penalties = run.config().reward.penalties
    return penalties[0].cost if penalties else UNPENALISED_COST


@dataclass(frozen=True)
class Search:
    """A run as it was read.

    Attributes:
        series: Its candidates, as `nas.pareto` compares them: no repeats, none cut short, and
            none beyond a limit of the search.
        complete: Every finished trial, in the order of their numbers.
    """

    series: Series
    complete: tuple[TrialRecord, ...]


def read_searches(runs: Sequence[RunFolder], reading: Reading) -> list[Search]:
    """The finished trials of each run.

    Raises:
        UserError: If no candidate of a run is trained to its end, a trial lacks the cost, or the
            reward to read with is wrong or lacks the base of a penalty.
    """
    names = _names([run.path for run in runs])
    return [_search(run, name, reading) for run, name in zip(runs, names, strict=True)]


def read_series(runs: Sequence[RunFolder], reading: Reading) -> list[Series]:
    """The finished candidates of each run; repeated networks count once.

    Raises:
        UserError: As `read_searches`.
    """
    return [search.series for search in read_searches(runs, reading)]


def trained_records(run: RunFolder) -> list[TrialRecord]:
    """The finished trials of a run that repeat no other, were trained to their end and are of use.

    Raises:
        UserError: If there is none.
    """
    return _trained(run, complete_records(read_study(run)))


def _trained(run: RunFolder, complete: Sequence[TrialRecord]) -> list[TrialRecord]:
    records = trained(complete)
    if not records and complete:
        beyond = any(record.beyond for record in complete)
        reason = "cut short or measured beyond a limit" if beyond else "cut short"
        raise UserError(
            f"{run.path}: every finished trial was {reason}; wait for one that is trained to its "
            "end."
        )
    if not records:
        raise UserError(f"{run.path}: no trial is finished yet.")
    return records


def _search(run: RunFolder, name: str, reading: Reading) -> Search:
    config = run.config()
    config = config.model_copy(update={"reward": _reward_settings(run, config.reward, reading)})
    complete = complete_records(read_study(run))
    records = _trained(run, complete)
    reward = standard.reward(config)
    candidates = tuple(_candidate(run, record, reading.cost, reward) for record in records)
    return Search(Series(name, candidates), tuple(complete))


def _candidate(run: RunFolder, record: TrialRecord, cost: str, reward: Reward) -> Candidate:
    if cost not in record.costs:
        raise UserError(
            f"{run.path}: trial {record.number} has no cost {cost!r}; "
            f"recorded are: {', '.join(record.costs)}."
        )
    quality = reward.quality(record.scores)
    values = {
        "quality": quality,
        "reward": quality * reward.coefficient(quality, record.costs),
        **record.costs,
        **{f"{GROUP_PREFIX}{group}": value for group, value in record.groups.items()},
    }
    return Candidate(record.number, record.number, values)


def _reward_settings(run: RunFolder, own: RewardSettings, reading: Reading) -> RewardSettings:
    settings = validate(RewardSettings, {**own.model_dump(), **reading.reward}, "reward")
    bases = {penalty.cost: penalty.base for penalty in own.penalties}
    penalties = []
    for penalty in settings.penalties:
        base = bases.get(penalty.cost, "auto") if penalty.base == "auto" else penalty.base
        if base == "auto":
            raise UserError(
                f"{run.path}: the search had no penalty on {penalty.cost}, whose base could be "
                "taken; give --base."
            )
        penalties.append(penalty.model_copy(update={"base": base}))
    return settings.model_copy(update={"penalties": tuple(penalties)})


def _names(paths: Sequence[Path]) -> list[str]:
    """Folder names, or whole paths where two folders have one name."""
    counts = Counter(path.resolve().name for path in paths)
    return [
        path.resolve().name if counts[path.resolve().name] == 1 else str(path) for path in paths
    ]
