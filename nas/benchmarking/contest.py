"""Who is compared, and every search that this takes."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from multiprocessing import get_all_start_methods, get_context
from multiprocessing.context import BaseContext

import torch

from nas.benchmarking.board import Board
from nas.benchmarking.play import Play, play, side_by_side
from nas.searching.config import TableSearchConfig
from nas.searching.stop import SearchError


@dataclass(frozen=True)
class Contender:
    """What is compared with others.

    Attributes:
        name: What tables call it.
        dataset: The data set that it searches on.
        configs: One search, or several that share the evaluations, such as those of a controller
            with different penalties. Each repetition gives them seeds of their own.
    """

    name: str
    dataset: str
    configs: tuple[TableSearchConfig, ...]

    def play(self, seed: int, board: Board) -> Play:
        """Plays one repetition; see `nas.benchmarking.play.play`."""
        count = len(self.configs)
        seeded = [
            config.model_copy(update={"seed": seed * count + index})
            for index, config in enumerate(self.configs)
        ]
        return side_by_side([play(config, board) for config in seeded])


def play_all(
    contenders: Sequence[Contender],
    seeds: Sequence[int],
    board: Board,
    workers: int = 1,
    done: Callable[[], None] = lambda: None,
) -> list[list[Play | SearchError]]:
    """Plays every contender with every seed.

    Args:
        contenders: All on the table of the board.
        seeds: One repetition each.
        board: The table.
        workers: Processes; 1 plays in this one. The result does not depend on it.
        done: Called after every repetition.

    Returns:
        For each contender the plays in the order of the seeds, or why one was given up: candidate
        after candidate was not in the table.

    Raises:
        UserError: If a setting is wrong.
    """
    tasks = [(contender, seed) for contender in contenders for seed in seeds]
    found = _in_processes(tasks, workers, done) if workers > 1 else _here(tasks, board, done)
    return [found[start : start + len(seeds)] for start in range(0, len(tasks), len(seeds))]


_Task = tuple[Contender, int]


def _attempt(contender: Contender, seed: int, board: Board) -> Play | SearchError:
    # One search that is given up must not cost the others what they have found.
    try:
        return contender.play(seed, board)
    except SearchError as error:
        return error


def _here(
    tasks: Sequence[_Task], board: Board, done: Callable[[], None]
) -> list[Play | SearchError]:
    plays = []
    with _single_thread():
        for contender, seed in tasks:
            plays.append(_attempt(contender, seed, board))
            done()
    return plays


def _in_processes(
    tasks: Sequence[_Task], workers: int, done: Callable[[], None]
) -> list[Play | SearchError]:
    executor = ProcessPoolExecutor(workers, _context(), _begin)
    try:
        futures = [executor.submit(_there, contender, seed) for contender, seed in tasks]
        for future in as_completed(futures):
            future.result()
            done()
        return [future.result() for future in futures]
    finally:
        executor.shutdown(cancel_futures=True)


def _context() -> BaseContext:
    if "forkserver" not in get_all_start_methods():
        return get_context("spawn")
    context = get_context("forkserver")
    # What takes seconds to import is imported once for all workers.
    context.set_forkserver_preload([__name__])
    return context


def _begin() -> None:
    # The parent is interrupted too, and ends the pool in order.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)


def _there(contender: Contender, seed: int) -> Play | SearchError:
    config = contender.configs[0]
    return _attempt(contender, seed, _board(config.table, config.space.model_dump_json()))


@cache
def _board(table: str, space: str) -> Board:
    """The table, read once in each process of a pool."""
    return Board.load(
        TableSearchConfig.model_validate({"table": table, "space": json.loads(space)})
    )


@contextmanager
def _single_thread() -> Iterator[None]:
    # Threads cost a controller's small networks more than they save.
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
