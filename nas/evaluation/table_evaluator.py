"""An evaluator that looks candidates up where others have trained them."""

from __future__ import annotations

from collections.abc import Mapping

from nas.errors import UserError, sentence
from nas.evaluation.evaluation import Decide, Evaluation, EvaluationError, Rung, go_on
from nas.evaluation.known import Known
from nas.evaluation.table import Table
from search_spaces.genotype import Genotype, GenotypeError
from search_spaces.space import SearchSpace

METRIC = "accuracy"
"""The one metric of a table."""
VIRTUAL = "virtual"
"""Key of the seconds that an evaluation would have taken, among those of a trial."""
ROW = "row"
"""Key of the row, among the details of a trial."""


class TableEvaluator:
    """Looks up what a candidate scores and costs; nothing is trained and nothing sleeps.

    The scores are the validation accuracies of one data set, 0 to 1, of a single class that is
    named after it. Every validation column but the one of most epochs is a rung. Test accuracies
    are never looked at.

    Time is virtual: an evaluation records the seconds that its training would have taken, up to
    the rung where it was stopped. Those of a search add up over its trials; a repeated candidate
    takes none.

    Args:
        table: The figures.
        rows: Where each candidate stands; see `rows_of`.
        dataset: The data set that counts.

    Raises:
        UserError: If the table lacks the data set.
    """

    def __init__(self, table: Table, rows: Mapping[Genotype, int], dataset: str) -> None:
        validation = table.scores(dataset).validation
        self._table = table
        self._rows = rows
        self._dataset = dataset
        # Lists, as a value of an array takes ten times as long to look up.
        self._scores = {epochs: (column / 100).tolist() for epochs, column in validation.items()}
        seconds = {epochs: table.training_seconds(dataset, epochs) for epochs in validation}
        self._seconds = {
            epochs: column.tolist() for epochs, column in seconds.items() if column is not None
        }
        self._costs = {name: column.tolist() for name, column in table.costs.items()}

    def evaluate(self, genotype: Genotype, seed: int, decide: Decide = go_on) -> Evaluation:
        """Looks a candidate up; the seed changes nothing.

        Raises:
            EvaluationError: If the table lacks it.
        """
        row = self._row(genotype)
        costs = self._costs_of(row)
        *rungs, reached = self._scores
        stopped = False
        for epochs in rungs:
            if not decide(Rung(_rung(epochs), self._scores_of(row, epochs), costs)):
                reached, stopped = epochs, True
                break
        return Evaluation(
            scores=self._scores_of(row, reached),
            macro={METRIC: self._scores[reached][row]},
            groups={},
            costs=costs,
            curves={},
            seconds={VIRTUAL: self._seconds[reached][row]} if self._seconds else {},
            details={ROW: row},
            rung=_rung(reached),
            stopped=stopped,
        )

    def known_costs(self, genotype: Genotype) -> dict[str, float]:
        """Every cost of a candidate.

        Raises:
            EvaluationError: If the table lacks it.
        """
        return self._costs_of(self._row(genotype))

    def counts(self, genotype: Genotype) -> dict[str, float]:
        """Every cost of a candidate, for the base of a penalty.

        Raises:
            EvaluationError: If the table lacks it.
        """
        return self.known_costs(genotype)

    def known(self, genotype: Genotype) -> Known:
        """The same: a table holds what was measured, too."""
        return Known(self.counts(genotype))

    def _row(self, genotype: Genotype) -> int:
        if genotype not in self._rows:
            raise EvaluationError(f"{self._table.path} has no row for {genotype}")
        return self._rows[genotype]

    def _scores_of(self, row: int, epochs: int) -> dict[str, dict[str, float]]:
        return {METRIC: {self._dataset: self._scores[epochs][row]}}

    def _costs_of(self, row: int) -> dict[str, float]:
        return {name: column[row] for name, column in self._costs.items()}


def rows_of(table: Table, space: SearchSpace) -> dict[Genotype, int]:
    """Where each candidate of a space stands in a table.

    Args:
        table: Any table.
        space: The space that its architectures are of.

    Raises:
        UserError: If an architecture is not of the space, or stands in the table twice.
    """
    rows: dict[Genotype, int] = {}
    for row, text in enumerate(table.architectures):
        try:
            genotype = space.parse(text)
        except GenotypeError as error:
            raise UserError(
                sentence(f"{table.path}: row {row} is not of the space {space.name!r}: {error}")
            ) from error
        if genotype in rows:
            raise UserError(f"{table.path}: rows {rows[genotype]} and {row} are both {text!r}.")
        rows[genotype] = row
    return rows


def _rung(epochs: int) -> str:
    return f"epoch {epochs}"
