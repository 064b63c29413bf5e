"""A benchmark from its settings to its figures."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from nas import controllers
from nas.benchmarking.board import Board
from nas.benchmarking.contest import Contender, play_all
from nas.benchmarking.settings import BenchmarkSettings
from nas.benchmarking.summary import Summary, summarise
from nas.searching.config import TableSearchConfig
from nas.searching.sections import ControllerSettings
from nas.searching.stop import SearchError
from nas.searching.table import reward_in


def load_board(settings: BenchmarkSettings) -> Board:
    """Reads the table of a benchmark.

    Raises:
        UserError: If the table or the space is wrong, or the one is not of the other.
    """
    return Board.load(TableSearchConfig(table=settings.table, space=settings.space))


def make_contenders(settings: BenchmarkSettings, board: Board) -> list[Contender]:
    """Who is compared: every controller on every data set.

    Raises:
        UserError: If a data set, a cost, a controller or a setting of it is unknown or wrong.
    """
    contenders = [
        _contender(settings, controller, dataset)
        for dataset in settings.datasets or board.table.datasets
        for controller in settings.controllers
    ]
    for contender in contenders:
        for config in contender.configs:
            reward_in(board.table, config)
            controllers.resolve(config.controller.name, **config.controller.settings)
    return contenders


def run(
    settings: BenchmarkSettings,
    board: Board,
    contenders: Sequence[Contender],
    done: Callable[[], None] = lambda: None,
    say: Callable[[str], None] = lambda sentence: None,
) -> list[Summary]:
    """Plays every contender with every seed.

    Args:
        settings: Of the benchmark.
        board: Its table.
        contenders: As `make_contenders` gives them.
        done: Called after every repetition.
        say: Told, in a sentence, of searches that were given up; they are left out.

    Raises:
        UserError: If a setting is wrong.
        SearchError: If every search was given up, as candidate after candidate was not in the
            table.
    """
    seeds = range(settings.seed, settings.seed + settings.seeds)
    plays = play_all(contenders, seeds, board, settings.workers, done)
    summaries, errors = [], []
    for contender, own in zip(contenders, plays, strict=True):
        ended = [play for play in own if isinstance(play, SearchError)]
        if ended:
            say(
                f"{contender.name} on {contender.dataset}: {len(ended)} of {len(own)} searches "
                f"were given up and are left out: {ended[0]}"
            )
        errors += ended
        finished = {
            seed: play
            for seed, play in zip(seeds, own, strict=True)
            if not isinstance(play, SearchError)
        }
        if finished:
            told_at = settings.told_at if settings.costs else ()
            plays_of = list(finished.values())
            summaries.append(summarise(contender, list(finished), plays_of, board.table, told_at))
    if not summaries:
        raise errors[0]
    return summaries


def _contender(
    settings: BenchmarkSettings, controller: ControllerSettings, dataset: str
) -> Contender:
    count = len(settings.rewards)
    configs = tuple(
        TableSearchConfig(
            table=settings.table,
            dataset=dataset,
            space=settings.space,
            controller=controller,
            reward=reward,
            trials=trials,
            workers=settings.search_workers,
        )
        for reward, trials in zip(
            settings.rewards, _shared_out(settings.trials, count), strict=True
        )
    )
    name = controller.name if count == 1 else f"{controller.name} ({count} searches)"
    return Contender(name, dataset, configs)


def _shared_out(trials: int, searches: int) -> list[int]:
    share, rest = divmod(trials, searches)
    return [share + (index < rest) for index in range(searches)]
