"""Fronts over runs, as tables."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from nas.pareto.candidates import front_of
from nas.report.latency_sources import latency_sources, told_sources
from nas.report.runs import Reading, Snapshot, read_searches
from nas.report.tables import front_table


def run_front(run: Snapshot, width: int) -> Table:
    """The front of one run, in quality and its first penalised cost; see `front_over`."""
    return front_over([run], Reading(run.default_cost), width)


def front_over(runs: Sequence[Snapshot], reading: Reading, width: int) -> Table:
    """The joint front of several runs.

    Args:
        runs: One or several.
        reading: How their trials are read.
        width: Characters of a line; `front_table` leaves columns out of a short one.

    Raises:
        UserError: If a run has no finished trial, or a trial lacks the cost.
    """
    read = read_searches(runs, reading)
    searches = [search.series for search in read]
    owner = {id(c): search.name for search in searches for c in search.candidates}
    everything = [candidate for search in searches for candidate in search.candidates]
    front = front_of(everything, reading.objectives)
    ordered = sorted(front, key=lambda candidate: candidate.values[reading.cost])
    title = (
        f"Pareto front of quality and {reading.cost}: {len(front)} of {len(everything)} candidates"
    )
    names = [owner[id(candidate)] for candidate in ordered] if len(runs) > 1 else []
    table = front_table(ordered, title, width, names, ("quality", "reward", reading.cost))
    on_front = {(owner[id(candidate)], candidate.trial) for candidate in front}
    told = told_sources(
        latency_sources(
            record
            for search in read
            for record in search.complete
            if (search.series.name, record.number) in on_front
        )
    )
    if told is not None:
        table.caption, table.caption_justify = f"latency: {told}", "left"
    return table
