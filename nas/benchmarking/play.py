"""One search on a table, from its first evaluation to its last, in memory."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import optuna
from numpy.typing import NDArray

from nas.benchmarking.board import Board
from nas.benchmarking.in_flight import WorkersInFlight
from nas.evaluation.table_evaluator import ROW, VIRTUAL
from nas.searching.config import TableSearchConfig
from nas.searching.memory_storage import MemoryStorage
from nas.searching.places import Places, WorkerIdentity
from nas.searching.records import complete_records
from nas.searching.reward import with_bases, with_reward
from nas.searching.stop import FailureWatch
from nas.searching.study import create_memory_study
from nas.searching.table import parts_in
from nas.searching.trial import TrialRunner, origin_of
from nas.searching.worker import work


@dataclass(frozen=True)
class Play:
    """What a search did, evaluation by evaluation.

    Attributes:
        rows: N rows of the table, in the order in which they were evaluated.
        repeats: N, whether the evaluation repeats the network of an earlier one.
        virtual_seconds: What the evaluations would have taken.
        cpu_seconds: What study, controller and records took, of processor time.
    """

    rows: NDArray[np.int64]
    repeats: NDArray[np.bool_]
    virtual_seconds: float
    cpu_seconds: float


def play(config: TableSearchConfig, board: Board) -> Play:
    """Runs a whole search through the loop that every worker runs.

    Args:
        config: What to search; it leaves nothing on disk. Several workers are simulated.
        board: The table of the configuration.

    Raises:
        UserError: If a setting is wrong.
        SearchError: If candidate after candidate is not in the table.
    """
    evaluator = board.evaluators[config.dataset]
    config = with_reward(config, classes=(config.dataset,))
    config = with_bases(config, board.space, evaluator, lambda sentence: None)
    started = time.process_time()
    parts = parts_in(config, board.space, board.table, evaluator)
    storage = MemoryStorage()
    study = create_memory_study(storage, config, board.space, parts.controller)
    places = (
        WorkersInFlight(study, storage, config.workers, config.seed)
        if config.workers > 1
        else Places(study, storage, config.grace)
    )
    origin = origin_of(WorkerIdentity.of_this_process(0), "cpu", config.seed)
    runner = TrialRunner(
        *(parts, config.objectives, config.seed, origin, places, storage, config.limits), poll=0.0
    )
    failures = FailureWatch(0, config.failures_in_a_row, config.beyond_in_a_row)
    if isinstance(places, WorkersInFlight):
        places.work(runner, failures)
    else:
        work(study, places, runner, failures)
    return _play_of(study, time.process_time() - started)


def side_by_side(plays: Sequence[Play]) -> Play:
    """Several searches as one, which takes an evaluation of each in turn."""
    order = np.argsort(np.concatenate([np.arange(len(play.rows)) for play in plays]), kind="stable")
    return Play(
        np.concatenate([play.rows for play in plays])[order],
        np.concatenate([play.repeats for play in plays])[order],
        sum(play.virtual_seconds for play in plays),
        sum(play.cpu_seconds for play in plays),
    )


def _play_of(study: optuna.Study, cpu_seconds: float) -> Play:
    records = complete_records(study)
    return Play(
        np.array([record.details[ROW] for record in records], dtype=np.int64),
        np.array([record.repeats is not None for record in records]),
        sum(record.seconds.get(VIRTUAL, 0.0) for record in records),
        cpu_seconds,
    )
