"""Which candidates are retrained."""

from __future__ import annotations

from dataclasses import dataclass

from nas.errors import UserError
from nas.pareto.candidates import front_of
from nas.report.runs import Reading, default_cost, read_series, trained_records
from nas.retraining.options import Choice
from nas.search.assembly import standard
from nas.search.records import TrialRecord, complete_records
from nas.search.run_folder import RunFolder
from nas.search.study import read_study
from search_spaces import GenotypeError


@dataclass(frozen=True)
class Selection:
    """What was asked for; exactly one of the four.

    Attributes:
        best: The trial of the highest reward.
        trials: Trials by number.
        front: Every trial on the front.
        genotype: Nested form of a genotype, from this search or elsewhere.
        cost: The other axis of the front; the first penalised cost unless given.
    """

    best: bool = False
    trials: tuple[int, ...] = ()
    front: bool = False
    genotype: str | None = None
    cost: str | None = None


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
    records = {record.number: record for record in trained_records(run)}
    return [_choice(run, records[number]) for number in _numbers(run, selection, records)]


def _numbers(
    run: RunFolder, selection: Selection, records: dict[int, TrialRecord]
) -> tuple[int, ...]:
    if selection.front:
        reading = Reading(selection.cost or default_cost(run))
        candidates = read_series([run], reading)[0].candidates
        return tuple(c.trial for c in front_of(candidates, reading.objectives))
    if selection.best:
        reward = standard.reward(run.config())
        return (max(records, key=lambda n: (reward(records[n].scores, records[n].costs), -n)),)
    _check_trials(run, selection.trials, records)
    return selection.trials


def _check_trials(run: RunFolder, trials: tuple[int, ...], records: dict[int, TrialRecord]) -> None:
    repeats = {r.number: r.duplicate_of for r in complete_records(read_study(run))}
    for number in trials:
        if number in records:
            continue
        if number in repeats:
            raise UserError(
                f"{run.path}: trial {number} repeats trial {repeats[number]}; retrain that one."
            )
        known = ", ".join(map(str, records))
        raise UserError(f"{run.path}: no finished trial {number}; finished are: {known}.")


def _choice(run: RunFolder, record: TrialRecord) -> Choice:
    genotype = standard.space(run.config()).parse(record.genotype)
    return Choice(f"trial-{record.number}", genotype, record.quality)


def _literal(run: RunFolder, text: str) -> Choice:
    space = standard.space(run.config())
    try:
        genotype = space.parse(text)
    except GenotypeError as error:
        raise UserError(f"--genotype: {error}") from error
    digits = "-".join("".join(c if c.isdigit() else " " for c in str(genotype)).split())
    return Choice(f"genotype-{digits}", genotype, None)
