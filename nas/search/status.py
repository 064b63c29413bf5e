"""How a search is doing."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from nas.search.records import TrialRecord, read_records
from nas.search.run_folder import RunFolder
from nas.search.study import read_study


@dataclass(frozen=True)
class Status:
    """A look at a search.

    Attributes:
        study: Name of the study.
        objectives: "quality", then the penalised costs.
        asked: Number of complete trials asked for.
        states: Number of trials by state: complete, running, fail.
        best: The complete trial of the highest quality, or None.
        seconds: Median seconds of a trained candidate, or None.
        repeats: Share of the complete trials that repeat an earlier one, 0 to 1.
        failures: Number of failed trials by reason, the most frequent first.
        hosts: Number of complete trials by host.
    """

    study: str
    objectives: tuple[str, ...]
    asked: int
    states: Mapping[str, int]
    best: TrialRecord | None
    seconds: float | None
    repeats: float
    failures: Mapping[str, int]
    hosts: Mapping[str, int]

    @property
    def is_done(self) -> bool:
        return self.states.get("complete", 0) >= self.asked


def status(run: RunFolder) -> Status:
    """Reads the study of a run.

    Raises:
        UserError: If the run has no study yet.
    """
    study = read_study(run)
    records = read_records(study)
    complete = [record for record in records if record.is_complete]
    trained = [r.seconds["total"] for r in complete if r.duplicate_of is None]
    failures = Counter(record.failure for record in records if record.failure)
    return Status(
        study=study.study_name,
        objectives=tuple(study.user_attrs["objectives"]),
        asked=int(study.user_attrs["trials"]),
        states=Counter(record.state for record in records),
        best=max(complete, key=lambda record: record.quality or 0.0, default=None),
        seconds=statistics.median(trained) if trained else None,
        repeats=(len(complete) - len(trained)) / len(complete) if complete else 0.0,
        failures=dict(failures.most_common()),
        hosts=Counter(str(record.origin["host"]) for record in complete),
    )
