"""How a search is doing."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from nas.search.latency_sources import latency_sources
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
        states: Number of trials by state: complete, running, fail, pruned.
        beyond: Number of candidates beyond each limit, by cost: `states` tells how many were not
            trained for it, all others were measured beyond it after their training.
        quality: How good the search is so far.
        seconds: Median seconds of a candidate that repeats no other, or None.
        failures: Number of failed trials by reason, the most frequent first.
        hosts: Number of complete trials by host.
        latencies: Number of complete trials by the source of their latency.
    """

    study: str
    objectives: tuple[str, ...]
    asked: int
    states: Mapping[str, int]
    beyond: Mapping[str, int]
    quality: SearchQuality
    seconds: float | None
    failures: Mapping[str, int]
    hosts: Mapping[str, int]
    latencies: Mapping[str, int] = field(default_factory=dict)

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
    beyond = Counter(cost for record in records for cost in record.beyond)
    return Status(
        study=study.study_name,
        objectives=tuple(study.user_attrs["objectives"]),
        asked=int(study.user_attrs["trials"]),
        states=Counter(record.state for record in records),
        beyond=dict(beyond.most_common()),
        quality=search_quality(study.study_name, records, run.config().reward),
        seconds=statistics.median(seconds) if seconds else None,
        failures=dict(failures.most_common()),
        hosts=Counter(str(record.origin["host"]) for record in complete),
        latencies=latency_sources(complete),
    )
