"""Puts a search together that looks its candidates up in a table."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from nas.errors import UserError
from nas.evaluation.table import Table
from nas.evaluation.table_evaluator import METRIC, TableEvaluator, rows_of
from nas.files import fingerprint_of
from nas.kinds.ahead import Announce
from nas.searching.assembly import Parts, make_controller, make_space, of_kind
from nas.searching.config import SearchConfig, TableSearchConfig
from nas.searching.continuing import StudyData
from nas.searching.limits import check_limited_costs, check_limits
from nas.searching.reward import make_reward, with_bases, with_reward
from nas.searching.run_folder import RunFolder
from rewards import Reward
from search_spaces.space import SearchSpace


class TableAssembly:
    """Makes the parts of a search on a table from its configuration.

    Args:
        announce: Not used: nothing is trained ahead of such a search.
        say: Told, in a sentence, what was found or is being done.
    """

    def __init__(
        self,
        announce: Announce = lambda what, record, epochs: None,
        say: Callable[[str], None] = lambda sentence: None,
    ) -> None:
        self._say = say

    def space(self, config: SearchConfig) -> SearchSpace:
        """The search space.

        Raises:
            UserError: If its name or an option is wrong.
        """
        return make_space(config)

    def reward(self, config: SearchConfig) -> Reward:
        """See `nas.searching.assembly.Assembly.reward`."""
        config = of_kind(config, TableSearchConfig)
        return reward_in(load_table(config), config)

    def data(self, config: SearchConfig) -> StudyData:
        """The table, by its content."""
        config = of_kind(config, TableSearchConfig)
        return StudyData({"table": fingerprint_of(Path(config.table))})

    def check(self, config: SearchConfig) -> None:
        """Refuses what can be seen to be wrong before anything is written.

        Raises:
            UserError: If the table or a setting is wrong.
        """
        config = of_kind(config, TableSearchConfig)
        table, space = load_table(config), self.space(config)
        make_controller(config, space, reward_in(table, config))
        evaluator = TableEvaluator(table, rows_of(table, space), config.dataset)
        check_limited_costs(config.limits, table.costs)
        check_limits(config, space, evaluator.known_costs, lambda sentence: None)
        check_promotion(table, config)

    def prepare(self, run: RunFolder, config: SearchConfig) -> TableSearchConfig:
        """Resolves automatic values."""
        config = of_kind(config, TableSearchConfig)
        config = with_reward(config, classes=(config.dataset,))
        table, space = load_table(config), self.space(config)
        evaluator = TableEvaluator(table, rows_of(table, space), config.dataset)
        check_limits(config, space, evaluator.known_costs, self._say)
        return with_bases(config, space, evaluator, self._say)

    def parts(self, run: RunFolder, config: SearchConfig, device: str) -> Parts:
        """Everything that a worker needs."""
        config = of_kind(config, TableSearchConfig)
        table, space = load_table(config), self.space(config)
        evaluator = TableEvaluator(table, rows_of(table, space), config.dataset)
        return parts_in(config, space, table, evaluator)


def parts_in(
    config: TableSearchConfig, space: SearchSpace, table: Table, evaluator: TableEvaluator
) -> Parts:
    """The parts of a search whose table has been read.

    Raises:
        UserError: If a setting is wrong.
    """
    reward = reward_in(table, config)
    return Parts(
        space=space,
        reward=reward,
        controller=make_controller(config, space, reward),
        evaluator=evaluator,
        promotion=config.promotion,
        known_costs=evaluator.known_costs,
    )


def load_table(config: TableSearchConfig) -> Table:
    """The table of a configuration.

    Raises:
        UserError: If it cannot be read.
    """
    return Table.load(Path(config.table))


def reward_in(table: Table, config: TableSearchConfig) -> Reward:
    """The reward of a configuration.

    Raises:
        UserError: If the data set, the metric or a cost is unknown.
    """
    table.scores(config.dataset)
    if config.reward.metric != METRIC:
        raise UserError(
            f"{table.path}: a table holds accuracies alone; leave reward.metric at {METRIC!r}."
        )
    of = f"the data set {config.dataset!r}"
    classes = (config.dataset,)
    return make_reward(config.reward, of, classes, classes, tuple(table.costs))


def check_promotion(table: Table, config: TableSearchConfig) -> None:
    """Refuses successive halving where there is nothing to halve at.

    Raises:
        UserError: If the table has a single validation column for the data set.
    """
    if config.promotion is not None and len(table.scores(config.dataset).validation) < 2:
        raise UserError(
            f"{table.path}: successive halving needs validation accuracies of "
            f"{config.dataset!r} after different numbers of epochs, and there is one such column."
        )
