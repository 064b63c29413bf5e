"""Fronts over runs, as tables."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from nas.pareto.candidates import front_of
from nas.report.runs import Reading, default_cost, read_series
from nas.report.tables import front_table
from nas.search.run_folder import RunFolder


def run_front(run: RunFolder) -> Table:
    """The front of one run, in quality and its first penalised cost."""
    return front_over([run], Reading(default_cost(run)))


def front_over(runs: Sequence[RunFolder], reading: Reading) -> Table:
    """The joint front of several runs.

    Raises:
        UserError: If a run has no finished trial, or a trial lacks the cost.
    """
    searches = read_series(runs, reading)
    owner = {id(c): search.name for search in searches for c in search.candidates}
    everything = [candidate for search in searches for candidate in search.candidates]
    front = front_of(everything, reading.objectives)
    ordered = sorted(front, key=lambda candidate: candidate.values[reading.cost])
    title = (
        f"Pareto front of quality and {reading.cost}: {len(front)} of {len(everything)} candidates"
    )
    return front_table([(owner[id(c)], c) for c in ordered], title)
