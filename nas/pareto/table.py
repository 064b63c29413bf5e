"""The data of the pictures as CSV."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from nas.files import replacing
from nas.pareto.candidates import Series, check_searches, front_of
from nas.pareto.objectives import Objective, ParetoError


def candidate_rows(
    searches: Sequence[Series], objectives: Sequence[Objective]
) -> list[dict[str, object]]:
    """A row for each candidate, with all its values.

    Args:
        searches: One or several.
        objectives: What the fronts are made of.

    Returns:
        Rows with the search, trial and iteration (both from 0), the label where there is one, every
        value, and whether the candidate is on the front of its own search (`on_front`) and of all
        searches together (`on_joint_front`).

    Raises:
        ParetoError: If there is no search, two have the same name, or an objective is missing or
            not finite.
    """
    check_searches(searches)
    everything = [candidate for search in searches for candidate in search.candidates]
    joint = {id(candidate) for candidate in front_of(everything, objectives)}
    rows: list[dict[str, object]] = []
    for search in searches:
        own = {id(candidate) for candidate in front_of(search.candidates, objectives)}
        for candidate in search.candidates:
            rows.append(
                {
                    "search": search.name,
                    "trial": candidate.trial,
                    "iteration": candidate.iteration,
                    "label": candidate.label,
                    **candidate.values,
                    "on_front": id(candidate) in own,
                    "on_joint_front": id(candidate) in joint,
                }
            )
    return rows


def write_csv(path: str | Path, rows: Sequence[Mapping[str, object]]) -> Path:
    """Writes rows under a header of all their keys; a value that a row lacks is left empty.

    Args:
        path: The file; missing folders are made.
        rows: At least one.

    Returns:
        The path.

    Raises:
        ParetoError: If there are no rows.
    """
    if not rows:
        raise ParetoError("there are no rows to write.")
    keys = list(dict.fromkeys(key for row in rows for key in row))
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    with (
        replacing(target) as temporary,
        temporary.open("w", newline="", encoding="utf-8") as stream,
    ):
        writer = csv.DictWriter(stream, keys, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return target
