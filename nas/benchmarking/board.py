"""What searches are played on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nas.evaluation.table import Table
from nas.evaluation.table_evaluator import TableEvaluator, rows_of
from nas.searching.assembly import make_space
from nas.searching.config import TableSearchConfig
from nas.searching.table import load_table
from search_spaces.space import SearchSpace


@dataclass(frozen=True)
class Board:
    """A table, read once for any number of searches; use `load`.

    Attributes:
        table: The figures.
        space: The space that its architectures are of.
        evaluators: One for each of its data sets.
    """

    table: Table
    space: SearchSpace
    evaluators: Mapping[str, TableEvaluator]

    @classmethod
    def load(cls, config: TableSearchConfig) -> Board:
        """Reads the table of a search.

        Raises:
            UserError: If the table or the space is wrong, or the one is not of the other.
        """
        space, table = make_space(config), load_table(config)
        rows = rows_of(table, space)
        return cls(
            table, space, {name: TableEvaluator(table, rows, name) for name in table.datasets}
        )
