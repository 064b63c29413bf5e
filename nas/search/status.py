"""How a search is doing."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from nas.search.records import read_records
from nas.search.run_folder import RunFolder
from nas.search.search_quality import SearchQuality, search_quality
from nas.search.study import read_study


@dataclass(frozen=True)
class Status:
    """A look at a search.

    Attributes:
        study: Name of the study.
        objectives: "quality", then the penalised costs.
        asked: Number of complete trials asked for.
        states: Number of trials by state: complete, running, fail.
        quality: How good the search is so far.
        seconds: Median seconds of a candidate that repeats no other, or None.
        failures: Number of failed trials by reason, the most frequent first.
        hosts: Number of complete trials by host.
    """

    study: str
    objectives: tuple[str, ...]
    asked: int
    states: Mapping[str, int]
    quality: SearchQuality
    seconds: float | None
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
    seconds = [r.seconds["total"] for r in complete if r.duplicate_of is None]
    failures = Counter(record.failure for record in records if record.failure)
    return Status(
        study=study.study_name,
        objectives=tuple(study.user_attrs["objectives"]),
        asked=int(study.user_attrs["trials"]),
        states=Counter(record.state for record in records),
        quality=search_quality(study.study_name, records, run.config().reward),
        seconds=statistics.median(seconds) if seconds else None,
        failures=dict(failures.most_common()),
        hosts=Counter(str(record.origin["host"]) for record in complete),
    )
