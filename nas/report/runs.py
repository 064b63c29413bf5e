"""The candidates of runs, as `nas.pareto` compares them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nas.errors import UserError
from nas.pareto.candidates import Candidate, Series
from nas.pareto.objectives import Objective
from nas.search.assembly import standard
from nas.search.config import RewardSettings
from nas.search.records import TrialRecord, complete_records
from nas.search.run_folder import RunFolder
from nas.search.study import read_study
from nas.settings import validate

QUALITY = Objective("quality", "maximise")
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
        return QUALITY, Objective(self.cost, "minimise")


def default_cost(run: RunFolder) -> str:
    """The first penalised cost of a run, or FLOPs where none is penalised."""
    penalties = run.config().reward.penalties
    return penalties[0].cost if penalties else "flops"


def read_series(runs: Sequence[RunFolder], reading: Reading) -> list[Series]:
    """The finished candidates of each run; repeated networks count once.

    Raises:
        UserError: If a run has no finished trial, a trial lacks the cost, or the reward to read
            with is wrong or lacks the base of a penalty.
    """
    names = _names([run.path for run in runs])
    return [_series(run, name, reading) for run, name in zip(runs, names, strict=True)]


def trained_records(run: RunFolder) -> list[TrialRecord]:
    """The finished trials of a run that are not repeats.

    Raises:
        UserError: If there is none.
    """
    records = [r for r in complete_records(read_study(run)) if r.duplicate_of is None]
    if not records:
        raise UserError(f"{run.path}: no trial is finished yet.")
    return records


def _series(run: RunFolder, name: str, reading: Reading) -> Series:
    config = run.config()
    config = config.model_copy(update={"reward": _reward_settings(run, config.reward, reading)})
    reward = standard.reward(config)
    candidates = []
    for record in trained_records(run):
        if reading.cost not in record.costs:
            raise UserError(
                f"{run.path}: trial {record.number} has no cost {reading.cost!r}; "
                f"recorded are: {', '.join(record.costs)}."
            )
        quality = reward.quality(record.scores)
        values = {
            "quality": quality,
            "reward": quality * reward.coefficient(quality, record.costs),
            **record.costs,
            **{f"{GROUP_PREFIX}{group}": value for group, value in record.groups.items()},
        }
        candidates.append(Candidate(record.number, record.number, values))
    return Series(name, tuple(candidates))


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
