"""Runs as reports read them: their studies, each read once, and the candidates that compare."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from latency.costs import declared
from nas.errors import UserError
from nas.pareto.candidates import Candidate, Series
from nas.pareto.objectives import Objective
from nas.report.agreement import Trust, read_trust
from nas.searching.config import SearchConfig
from nas.searching.continuing import StudyData
from nas.searching.finalists import Finalists
from nas.searching.places import trials_asked
from nas.searching.records import TrialRecord, read_records, trained
from nas.searching.reward import saved_reward
from nas.searching.run_folder import TEACHER, RunFolder
from nas.searching.study import read_study
from nas.training.scoring import Scores
from rewards import Reward

QUALITY = Objective("quality", "maximise", "Quality")
_LONGEST_LABEL = 30
"""Characters of a genotype that tables and pictures show in place of a number."""
GROUP_PREFIX = "f1_"
"""Before the name of a group of classes, among the values of a candidate."""


@dataclass(frozen=True)
class Snapshot:
    """A run as it was when its study was read. Nothing else is needed of it: no data, no teacher.

    Attributes:
        path: The run folder.
        config: Its saved configuration.
        study: Name of its study.
        asked: Number of complete trials asked for.
        records: Every trial, in the order of their numbers.
        data: What they learned from; None for older runs.
        finalists: What was trained in full at the end, if anything was.
        teacher: Scores of the teacher on validation, metric by class; None for older runs too.
    """

    path: Path
    config: SearchConfig
    study: str
    asked: int
    records: tuple[TrialRecord, ...]
    data: StudyData | None = None
    finalists: Finalists | None = None
    teacher: Scores | None = None

    @property
    def complete(self) -> list[TrialRecord]:
        """The complete trials, in the order of their numbers."""
        return [record for record in self.records if record.is_complete]

    @property
    def default_cost(self) -> str:
        """The first penalised cost, or the first limited one, or FLOPs where there is neither."""
        return self.config.front_costs[0]

    def trained(self) -> list[TrialRecord]:
        """The trials that can be the best or on the front; see `trained`.

        Raises:
            UserError: If there is none yet.
        """
        records = trained(self.records)
        if not records and self.complete:
            beyond = any(record.beyond for record in self.complete)
            reason = "cut short or measured beyond a limit" if beyond else "cut short"
            if any(record.void for record in self.complete):
                reason += " or declared void"
            raise UserError(
                f"{self.path}: every finished trial was {reason}; wait for one that is trained to "
                "its end."
            )
        if not records:
            raise UserError(f"{self.path}: no trial is finished yet.")
        return records

    def finals(self) -> list[TrialRecord]:
        """The finalists, the best first; none where the search went on since they were trained."""
        found, contest = self.finalists, {record.number: record for record in trained(self.records)}
        if found is None or found.trials != len(self.complete):
            return []
        return [contest[number] for number in found.ranking if number in contest]

    def best(self) -> TrialRecord:
        """The best finalist, or the candidate of the highest reward where there are none.

        Raises:
            UserError: If no candidate is trained to its end yet.
        """
        contest, finals = self.trained(), self.finals()
        if finals:
            return finals[0]
        reward = self.reward()
        return max(contest, key=lambda r: (reward(r.scores, r.costs), -r.number))

    def reward(self, changes: Mapping[str, Any] | None = None) -> Reward:
        """The reward of the run, or with changed settings; it takes at least one complete trial.

        Raises:
            UserError: See `nas.searching.reward.saved_reward`.
        """
        return saved_reward(self.config.reward, self.complete, str(self.path), changes or {})


def read_snapshot(run: RunFolder) -> Snapshot:
    """Reads the study of a run.

    Raises:
        UserError: If it has no study yet.
    """
    study = read_study(run)
    records = tuple(read_records(study))
    asked, data = trials_asked(study), StudyData.of(study)
    finalists, config = Finalists.of(study), run.config()
    return Snapshot(
        *(run.path, config, study.study_name, asked, records, data, finalists),
        teacher=run.info().get(TEACHER),
    )


def different_data(runs: Sequence[Snapshot]) -> str | None:
    """A sentence about runs that were trained and scored on different data, or None.

    Older runs do not tell, and the task alone decides: a teacher changes no score's meaning.
    """
    groups: dict[str, list[str]] = {}
    for run in runs:
        if run.data is not None and (found := run.data.task) is not None:
            groups.setdefault(found, []).append(str(run.path))
    if len(groups) < 2:
        return None
    told = " and of ".join(", ".join(paths) for paths in groups.values())
    return (
        f"the data of {told} differ (images, labels, classes or input size), so that their "
        "qualities do not compare."
    )


def values_of(record: TrialRecord, reward: Reward) -> dict[str, float]:
    """The figures of a complete trial: "quality", "reward", the costs and the groups of classes."""
    quality = reward.quality(record.scores)
    return {
        "quality": quality,
        "reward": quality * reward.coefficient(quality, record.costs),
        **record.costs,
        **{f"{GROUP_PREFIX}{group}": value for group, value in record.groups.items()},
    }


@dataclass(frozen=True)
class Reading:
    """How the trials of runs are read.

    Attributes:
        cost: The cost on the other axis of the front.
        reward: Settings that replace those of each run's own reward.
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


@dataclass(frozen=True)
class Search:
    """A run as it was read.

    Attributes:
        series: Its candidates, as `nas.pareto` compares them: no repeats, none cut short, and
            none beyond a limit of the search.
        complete: Every complete trial, in the order of their numbers.
        trust: What ``nas trust`` has found, or None.
        limits: Largest allowed values of costs.
    """

    series: Series
    complete: tuple[TrialRecord, ...]
    trust: Trust | None = None
    limits: Mapping[str, float] = field(default_factory=dict)


def read_searches(runs: Sequence[Snapshot], reading: Reading) -> list[Search]:
    """The complete trials of each run, and its candidates.

    Raises:
        UserError: If no candidate of a run is trained to its end, a trial lacks the cost, or the
            reward to read with is wrong or lacks the base of a penalty.
    """
    names = _names([run.path for run in runs])
    return [_search(run, name, reading) for run, name in zip(runs, names, strict=True)]


def _search(run: Snapshot, name: str, reading: Reading) -> Search:
    records = run.trained()
    reward = run.reward(reading.reward)
    candidates = tuple(_candidate(run, record, reading.cost, reward) for record in records)
    return Search(
        Series(name, candidates), tuple(run.complete), read_trust(run.path), run.config.limits
    )


def _candidate(run: Snapshot, record: TrialRecord, cost: str, reward: Reward) -> Candidate:
    if cost not in record.costs:
        raise UserError(
            f"{run.path}: trial {record.number} has no cost {cost!r}; "
            f"recorded are: {', '.join(record.costs)}."
        )
    label = _label(record.genotype)
    return Candidate(record.number, record.number, values_of(record, reward), label)


def _label(genotype: str) -> str:
    """A genotype as people call it, where it is a few words; empty where it is not."""
    try:
        words = json.loads(genotype)
    except ValueError:
        return ""
    if not (isinstance(words, list) and words and all(isinstance(one, str) for one in words)):
        return ""
    label = "/".join(words)
    return label if len(label) <= _LONGEST_LABEL else ""


def _names(paths: Sequence[Path]) -> list[str]:
    """Folder names, or whole paths where two folders have the same name."""
    counts = Counter(path.resolve().name for path in paths)
    return [
        path.resolve().name if counts[path.resolve().name] == 1 else str(path) for path in paths
    ]
