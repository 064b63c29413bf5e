"""A worker: runs one trial after another on the study of a run until the places are taken."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import optuna
import torch
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial

from nas.controllers.failures import is_lost
from nas.cores import available_cpus
from nas.errors import UserError
from nas.searching import ends, interrupts
from nas.searching.allowance import Allowance
from nas.searching.assembly import Assembly
from nas.searching.config import ImageSearchConfig
from nas.searching.continuing import check_data, check_settings
from nas.searching.ends import ExitCode, Word
from nas.searching.places import Places, WorkerIdentity, completed
from nas.searching.run_folder import RunFolder
from nas.searching.stop import FailureWatch, SearchError
from nas.searching.study import (
    first_trial,
    open_study,
    read_study,
    working_storage,
)
from nas.searching.trial import TrialError, TrialRunner, origin_of
from nas.training.device import resolve_device

_logger = logging.getLogger(__name__)

YIELDING = 5.0
"""Seconds for which workers leave the death of another one to their executor, which knows more."""


@interrupts.handled()
def run_worker(
    run: RunFolder,
    index: int,
    assembly: Assembly,
    *,
    data: Path | None = None,
    should_stop: Callable[[], bool] = lambda: False,
    after_trial: Callable[[optuna.Study], None] = lambda study: None,
    yielding: float = 0.0,
) -> None:
    """Works on a run until the number of trials asked for is complete.

    Any number of workers, on any machine that reaches the storage, can do this at the same time.
    Each of them may be killed at any moment.

    Args:
        run: The run folder; its study exists.
        index: Number of this worker on its machine, which selects its GPU.
        assembly: What builds the space, the controller and the evaluator.
        data: Folder of the images on this machine, if it is not that of the run.
        should_stop: Called between trials; True ends the worker.
        after_trial: Called after every trial of this worker.
        yielding: See `nas.searching.places.Places`.

    Raises:
        SearchError: If too many candidates in a row fail or are beyond the limits.
        UserError: If the configuration or the study is wrong.
        KeyboardInterrupt: If it was interrupted or terminated; the current trial is recorded as
            interrupted.
    """
    config = run.config()
    if data is not None and isinstance(config, ImageSearchConfig):
        config = config.with_data(data)
    known = read_study(run, config.storage_timeout)
    check_settings(known, config, run.config_path)
    check_data(known, assembly.data(config), run.path)
    device = choose_device(config.device, index)
    # One single-threaded process for each core is faster than threads within an operation.
    # Asking torch first keeps to OMP_NUM_THREADS.
    torch.set_num_threads(max(1, min(torch.get_num_threads(), available_cpus() // config.workers)))
    parts = assembly.parts(run, config, device)
    origin = origin_of(WorkerIdentity.of_this_process(index), device, config.seed)
    with interrupts.held(), working_storage(run, config, origin) as storage:
        study = open_study(storage, run, config, parts.space, parts.controller)
        places = Places(study, storage, config.grace, yielding=yielding)
        runner = TrialRunner(
            *(parts, config.objectives, config.seed, origin, places, storage, config.limits),
            allowance=Allowance(config.candidate),
        )
        failures = FailureWatch(
            first_trial(study), config.failures_in_a_row, config.beyond_in_a_row
        )

        ends.announce(run.path, completed(study.get_trials(deepcopy=False)))

        def remember(study: optuna.Study) -> None:
            run.remember_trials((runner.trial_number or 0) + 1)
            after_trial(study)

        work(study, places, runner, failures, should_stop=should_stop, after_trial=remember)


def word_of(work: Callable[[], None]) -> Word:
    """Lets a worker work, and returns what it has to say of its end to its executor.

    Args:
        work: Calls `run_worker`. What it raises beyond that is raised here.
    """
    try:
        work()
    except UserError as error:
        return Word(ExitCode.WRONG_USE, str(error))
    except SearchError as error:
        return Word(ExitCode.STOPPED, str(error))
    except KeyboardInterrupt:
        return Word(ExitCode.INTERRUPTED)
    return Word(ExitCode.DONE)


def work(
    study: optuna.Study,
    places: Places,
    runner: TrialRunner,
    failures: FailureWatch,
    *,
    should_stop: Callable[[], bool] = lambda: False,
    after_trial: Callable[[optuna.Study], None] = lambda study: None,
) -> None:
    """Runs trials until the number asked for is complete: the loop of every search.

    Args:
        study: The study.
        places: Its places.
        runner: Runs one trial.
        failures: Raises when too many candidates in a row have failed or were beyond the limits.
        should_stop: Called between trials; True ends the loop.
        after_trial: Called after every trial.

    Raises:
        SearchError: If too many candidates in a row fail or are beyond the limits.
        KeyboardInterrupt: If it was interrupted; the current trial is recorded as interrupted.
    """

    def stop(trials: Sequence[FrozenTrial]) -> bool:
        failures.check(trials)
        interrupts.check()
        return should_stop()

    while places.wait(stop):
        _run_trial(study, runner)
        after_trial(study)


def choose_device(device: str, index: int) -> str:
    """Resolves "auto" for the worker `index`: one GPU each in turn, or the CPU if there is none.

    Raises:
        UserError: If the requested device does not exist on this machine.
    """
    gpus = torch.cuda.device_count()
    if device == "auto" and gpus:
        return f"cuda:{index % gpus}"
    return str(resolve_device(device))


def _run_trial(study: optuna.Study, runner: TrialRunner) -> None:
    try:
        study.optimize(runner, n_trials=1, catch=(TrialError,))
    except (UpdateFinishedTrialError, ValueError, AssertionError):
        # A worker that was suspended for longer than the grace period has lost its trial, and
        # Optuna refuses to finish a trial twice, or trips over the refusal of the storage. Nobody
        # has read the result: carry on.
        if not _was_given_up(study, runner.trial_number):
            raise
        _logger.warning("trial %s was given up as lost while it was running", runner.trial_number)


def _was_given_up(study: optuna.Study, number: int | None) -> bool:
    trials = study.get_trials(deepcopy=False)
    return any(trial.number == number and is_lost(trial) for trial in trials)
