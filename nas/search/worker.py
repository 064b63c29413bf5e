"""A worker: the loop of a search over the storage of a run."""

from __future__ import annotations

from collections.abc import Callable

import optuna
import torch

from nas.search import interrupts
from nas.search.assembly import Assembly
from nas.search.claims import Places
from nas.search.identity import WorkerIdentity
from nas.search.loop import work
from nas.search.objective import Objective, origin_of
from nas.search.provenance import available_cpus
from nas.search.run_folder import RunFolder
from nas.search.stop import FailureWatch
from nas.search.study import first_trial, open_study, working_storage
from nas.training.device import resolve_device


@interrupts.handled()
def run_worker(
    run: RunFolder,
    index: int,
    assembly: Assembly,
    *,
    should_stop: Callable[[], bool] = lambda: False,
    after_trial: Callable[[optuna.Study], None] = lambda study: None,
) -> None:
    """Evaluates candidates until the number asked for is complete.

    Any number of workers, on any machine that reaches the storage, may do this at once; each can
    be killed at any moment.

    Args:
        run: The run folder; its study exists.
        index: Number of this worker on its machine, which chooses among GPUs.
        assembly: What builds the space, the controller and the evaluator.
        should_stop: Asked between trials; True ends the worker.
        after_trial: Called after every trial of this worker.

    Raises:
        SearchError: If too many candidates in a row fail or are beyond the limits.
        UserError: If the configuration or the study is wrong.
        KeyboardInterrupt: If it was interrupted or told to end; the trial in hand is recorded as
            interrupted.
    """
    config = run.config()
    device = choose_device(config.device, index)
    # One single-threaded process for each core is faster than threads within an operation.
    # Asking torch first keeps to OMP_NUM_THREADS.
    torch.set_num_threads(max(1, min(torch.get_num_threads(), available_cpus() // config.workers)))
    parts = assembly.parts(run, config, device)
    origin = origin_of(WorkerIdentity.of_this_process(index), device, config.seed)
    with interrupts.held(), working_storage(run, config, origin) as storage:
        study = open_study(storage, run, config, parts.space, parts.controller)
        places = Places(study, storage, config.grace)
        objective = Objective(
            parts, config.objectives, config.seed, origin, places, storage, config.limits
        )
        failures = FailureWatch(
            first_trial(study), config.failures_in_a_row, config.beyond_in_a_row
        )
        work(study, places, objective, failures, should_stop=should_stop, after_trial=after_trial)


def choose_device(device: str, index: int) -> str:
    """Resolves "auto" for the worker `index`: one GPU each in turn, or the CPU if there is none.

    Raises:
        UserError: If the device asked for does not exist here.
    """
    gpus = torch.cuda.device_count()
    if device == "auto" and gpus:
        return f"cuda:{index % gpus}"
    return str(resolve_device(device))
