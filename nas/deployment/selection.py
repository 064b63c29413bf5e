"""Which candidates of a run are retrained or measured; the run alone tells, not its data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nas.errors import UserError
from nas.files import read_json
from nas.pareto.candidates import front_of
from nas.report.runs import Reading, Snapshot, read_searches, read_snapshot
from nas.searching.assembly import make_space
from nas.searching.records import TrialRecord
from nas.searching.run_folder import RunFolder
from nas.training.seeding import derive
from search_spaces import Genotype, GenotypeError

_LONGEST_LABEL = 30


@dataclass(frozen=True)
class Selection:
    """What is selected: exactly one of the first four.

    Attributes:
        best: The best finalist, or without finalists the trial of the highest reward among those
            trained to their end.
        trials: Trials by number; they may have been cut short.
        front: Every trial on the front; those that were cut short are not on it.
        genotype: Nested form of a genotype, from this search or elsewhere.
        cost: The other axis of the front; the first penalised cost unless given.
    """

    best: bool = False
    trials: tuple[int, ...] = ()
    front: bool = False
    genotype: str | None = None
    cost: str | None = None


@dataclass(frozen=True)
class Choice:
    """A candidate that was selected.

    Attributes:
        name: Name of the folder of its retrained network, for example ``trial-7``.
        genotype: What is built.
        search_quality: Its quality in the search, or None for a genotype from elsewhere.
    """

    name: str
    genotype: Genotype
    search_quality: float | None


def select(run: RunFolder, selection: Selection) -> list[Choice]:
    """The selected candidates of a run.

    Raises:
        UserError: If not exactly one kind of selection is given, there is no such candidate, or a
            cost is given without the front.
    """
    given = [selection.best, bool(selection.trials), selection.front, bool(selection.genotype)]
    if sum(given) != 1:
        raise UserError(
            "select candidates with exactly one of --best, --trial N, --front and "
            "--genotype '[[...]]'."
        )
    if selection.cost is not None and not selection.front:
        raise UserError("--cost is an axis of the front; give it together with --front.")
    space = make_space(run.config())
    if selection.genotype:
        try:
            genotype = space.parse(selection.genotype)
        except GenotypeError as error:
            raise UserError(f"--genotype: {error}") from error
        return [Choice(f"genotype-{_label(genotype)}", genotype, None)]
    return [
        Choice(f"trial-{record.number}", space.parse(record.genotype), record.quality)
        for record in _records(read_snapshot(run), selection)
    ]


def _records(run: Snapshot, selection: Selection) -> list[TrialRecord]:
    if selection.trials:
        return _named(run, selection.trials)
    if selection.front:
        return _front(run, Reading(selection.cost or run.default_cost))
    return [run.best()]


def _front(run: Snapshot, reading: Reading) -> list[TrialRecord]:
    (search,) = read_searches([run], reading)
    records = {record.number: record for record in search.complete}
    return [records[c.trial] for c in front_of(search.series.candidates, reading.objectives)]


def _named(run: Snapshot, trials: tuple[int, ...]) -> list[TrialRecord]:
    # A trial that was cut short may be named, to learn what it would have achieved.
    complete = {record.number: record for record in run.complete}
    if not complete:
        raise UserError(f"{run.path}: no trial is finished yet.")
    for number in trials:
        if number not in complete:
            known = ", ".join(str(n) for n, r in complete.items() if r.repeats is None)
            raise UserError(f"{run.path}: no finished trial {number}; finished are: {known}.")
        first = complete[number].repeats
        if first is not None:
            raise UserError(f"{run.path}: trial {number} repeats trial {first}; select that one.")
    return [complete[number] for number in trials]


def _label(genotype: Genotype) -> str:
    """Its numbers, or a short key where they are many or words count too."""
    text = str(genotype)
    label = "-".join("".join(c if c.isdigit() else " " for c in text).split())
    if any(character.isalpha() for character in text) or len(label) > _LONGEST_LABEL:
        return f"{derive(text):016x}"[:8]
    return label


def best_retrained(run: RunFolder) -> Path | None:
    """Folder of the retrained network of the highest quality on validation."""
    qualities = {
        path.parent: read_json(path)["validation"]["quality"]
        for path in sorted(run.retrain.glob("*/metrics.json"))
    }
    known = {path: quality for path, quality in qualities.items() if quality is not None}
    return max(known, key=known.__getitem__, default=None)
