"""Which candidates are retrained."""

from __future__ import annotations

from dataclasses import dataclass

from nas.errors import UserError
from nas.pareto.candidates import front_of
from nas.report.runs import Reading, default_cost, read_searches, trained_records
from nas.search.assembly import standard
from nas.search.records import TrialRecord, complete_records
from nas.search.run_folder import RunFolder
from nas.search.study import read_study
from nas.training.seeding import derive
from search_spaces import Genotype, GenotypeError

_LONGEST_LABEL = 150


@dataclass(frozen=True)
class Selection:
    """What was asked for; exactly one of the four.

    Attributes:
        best: The trial of the highest reward among those trained to their end.
        trials: Trials by number; one that the search cut short may be among them.
        front: Every trial on the front, which those that were cut short are not.
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
    """A candidate to be retrained.

    Attributes:
        name: Name of its folder, for example ``trial-7``.
        genotype: What is built.
        search_quality: Its quality in the search, or None for a genotype from elsewhere.
    """

    name: str
    genotype: Genotype
    search_quality: float | None


def select(run: RunFolder, selection: Selection) -> list[Choice]:
    """The candidates of a run that a selection means.

    Raises:
        UserError: If not exactly one kind is asked for, there is no such candidate, or a cost is
            given without the front.
    """
    asked = [selection.best, bool(selection.trials), selection.front, bool(selection.genotype)]
    if sum(asked) != 1:
        raise UserError("say which: one of --best, --trial N, --front or --genotype '[[...]]'.")
    if selection.cost is not None and not selection.front:
        raise UserError("--cost is an axis of the front; it goes with --front alone.")
    if selection.genotype:
        return [_literal(run, selection.genotype)]
    return [_choice(run, record) for record in _records(run, selection)]


def _records(run: RunFolder, selection: Selection) -> list[TrialRecord]:
    if selection.trials:
        return _named(run, selection.trials)
    if selection.front:
        return _front(run, selection.cost or default_cost(run))
    reward = standard.reward(run.config())
    return [max(trained_records(run), key=lambda r: (reward(r.scores, r.costs), -r.number))]


def _front(run: RunFolder, cost: str) -> list[TrialRecord]:
    reading = Reading(cost)
    search = read_searches([run], reading)[0]
    records = {record.number: record for record in search.complete}
    return [records[c.trial] for c in front_of(search.series.candidates, reading.objectives)]


def _named(run: RunFolder, trials: tuple[int, ...]) -> list[TrialRecord]:
    # Whoever names a trial that was cut short wants to know what it would have come to.
    complete = {record.number: record for record in complete_records(read_study(run))}
    if not complete:
        raise UserError(f"{run.path}: no trial is finished yet.")
    for number in trials:
        if number not in complete:
            known = ", ".join(str(n) for n, r in complete.items() if r.duplicate_of is None)
            raise UserError(f"{run.path}: no finished trial {number}; finished are: {known}.")
        twin = complete[number].duplicate_of
        if twin is not None:
            raise UserError(f"{run.path}: trial {number} repeats trial {twin}; retrain that one.")
    return [complete[number] for number in trials]


def _choice(run: RunFolder, record: TrialRecord) -> Choice:
    genotype = standard.space(run.config()).parse(record.genotype)
    return Choice(f"trial-{record.number}", genotype, record.quality)


def _literal(run: RunFolder, text: str) -> Choice:
    space = standard.space(run.config())
    try:
        genotype = space.parse(text)
    except GenotypeError as error:
        raise UserError(f"--genotype: {error}") from error
    return Choice(f"genotype-{_label(genotype)}", genotype, None)


def _label(genotype: Genotype) -> str:
    """Its numbers, or a short key where words count too; a name of a folder must not be long."""
    text = str(genotype)
    if any(character.isalpha() for character in text) or len(text) > _LONGEST_LABEL:
        return f"{derive(text):016x}"
    return "-".join("".join(c if c.isdigit() else " " for c in text).split())
