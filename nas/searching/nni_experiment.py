"""Workers as trials of an NNI experiment, with its web page.

NNI starts a trial of its own for each worker, asks a tuner what the trial is to do, and shows what
it reports. A worker there is one like any other: it works on the study of the run until the number
of trials is reached. It reports the quality of every candidate for the page to show. Nothing is
read back from NNI, whose tables pair results with wrong parameters where trials run side by side.

NNI 3.0 gives up a server that does not answer within seconds, so it is made to wait for longer,
and a start is tried again. The server outlives the program that started it; it is ended here, with
everything that it has started.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import logging
import os
import shlex
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from nas.errors import UserError
from nas.searching import interrupts
from nas.searching.assembly import Assembly, load_assembly
from nas.searching.ends import Deaths, ExitCode, Word
from nas.searching.local_processes import FAREWELL, PATIENCE
from nas.searching.places import Places, completed
from nas.searching.run_folder import RunFolder
from nas.searching.stop import SearchError, check_outcome, is_reached, must_replace
from nas.searching.worker import YIELDING, run_worker, word_of
from nas.terminal import say

_PORT = 8080
# Seconds between two looks at the study, and tries to start the server.
_POLL = 1.0
_TRIES = 2
# Seconds that NNI's server may take to answer; NNI itself waits for three.
_PATIENCE = 60
_ENDED = ("SUCCEEDED", "FAILED", "USER_CANCELED", "SYS_CANCELED", "EARLY_STOPPED")
_KILLED = -9


class NniTrials:
    """Workers as trials of a local NNI experiment, in ``nni/`` of the run folder.

    Args:
        workers: Number of trials at a time.
        assembly: Not used: every worker makes its own.
        import_path: Where they find it, ``package.module:name``.

    Raises:
        UserError: If NNI is not installed.
    """

    def __init__(self, workers: int, assembly: Assembly, import_path: str) -> None:
        try:
            import nni.experiment
        except ImportError as error:
            raise UserError(
                "executor nni needs NNI; install it with: pip install 'nas-toolkit[nni]'."
            ) from error
        self._nni: Any = nni.experiment
        self._workers = workers
        self._import_path = import_path

    @interrupts.handled()
    @interrupts.held()
    def run(
        self,
        run: RunFolder,
        study: optuna.Study,
        places: Places,
        look: Callable[[optuna.Study], None],
    ) -> None:
        """See `Executor.run`.

        Raises:
            UserError: Also if NNI's server does not start.
        """
        deaths = Deaths()
        while not self._work(run, study, places, look, deaths):
            if deaths.too_many(ExitCode.CRASHED, completed(study.get_trials(deepcopy=False))):
                raise SearchError(
                    f"NNI's server keeps ending; see {run.path / 'nni'}; continue with --resume."
                )
        check_outcome(study, run.config())

    def _work(
        self,
        run: RunFolder,
        study: optuna.Study,
        places: Places,
        look: Callable[[optuna.Study], None],
        deaths: Deaths,
    ) -> bool:
        """Works by a server of NNI; False if that has ended before the search."""
        words = run.path.resolve() / "nni" / "words" / str(time.time_ns())
        words.mkdir(parents=True)
        experiment = _start(self._nni, self._config(run, words))
        try:
            say(f"NNI shows the workers at http://127.0.0.1:{experiment.port}")
            return self._watch(run, study, places, look, experiment, words, deaths)
        finally:
            _end(experiment)
            places.release_lost("NNI has ended it")

    def _config(self, run: RunFolder, words: Path) -> Any:
        folder = run.path.resolve() / "nni"
        command = [sys.executable, "-m", __name__, str(run.path.resolve())]
        command += [self._import_path, str(words), str(os.getpid())]
        config = self._nni.ExperimentConfig("local")
        config.experiment_name = run.study_name
        config.experiment_working_directory = str(folder)
        # Our controllers draw candidates; NNI wants something to be there.
        config.search_space = {"worker": {"_type": "choice", "_value": [0]}}
        config.trial_command = shlex.join(command)
        config.trial_code_directory = str(words)
        config.trial_concurrency = self._workers
        config.tuner = self._nni.CustomAlgorithmConfig(
            class_name="nas.searching.nni_tuner.Workers",
            code_directory=str(Path(__file__).parents[2]),
            class_args={"words": str(words), "parent": os.getpid()},
        )
        return config

    def _watch(
        self,
        run: RunFolder,
        study: optuna.Study,
        places: Places,
        look: Callable[[optuna.Study], None],
        experiment: Any,
        words: Path,
        deaths: Deaths,
    ) -> bool:
        farewell = None
        seen: set[str] = set()
        while farewell is None or time.monotonic() < farewell:
            with interrupts.allowed():
                time.sleep(_POLL)
            look(study)
            jobs = _jobs(experiment)
            if jobs is None:
                return False
            for job in [job for job in jobs if job.status in _ENDED and job.trialJobId not in seen]:
                seen.add(job.trialJobId)
                word = _last_word(words / job.trialJobId)
                cause = f"its NNI trial {job.trialJobId} ended as {job.status}"
                places.release_lost(cause)
                told = f"NNI workers keep dying ({cause}); see {run.path / 'nni'}"
                code = _KILLED if word is None else word.code
                if not must_replace(study, deaths, code, word, told):
                    farewell = farewell or time.monotonic() + FAREWELL
            if farewell is None and is_reached(study):
                # Nothing is left to do, whatever a worker that hangs may think.
                farewell = time.monotonic() + FAREWELL
            if farewell is not None and all(job.status in _ENDED for job in jobs):
                break
        look(study)
        return True


def _last_word(file: Path) -> Word | None:
    if not file.exists():
        return None
    with file.open("rb") as opened:
        return Word.read(opened.fileno())


def _start(nni: Any, config: Any) -> Any:
    """Starts NNI's server on a free port.

    Raises:
        UserError: If it does not start.
    """
    logging.getLogger("nni").setLevel(logging.CRITICAL)
    launcher = nni.launcher
    if not isinstance(launcher._check_rest_server, functools.partial):
        launcher._check_rest_server = functools.partial(
            launcher._check_rest_server, retry=_PATIENCE
        )
    for tried in range(_TRIES):
        experiment = nni.Experiment(config)
        try:
            experiment.start(_free_port(_PORT + tried))
        except (OSError, RuntimeError, ValueError) as error:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            _end(experiment)
            with interrupts.allowed():
                time.sleep(_POLL)
        else:
            # It would wait for the server at the end of this program, and not end otherwise.
            atexit.unregister(experiment.stop)
            return experiment
    raise UserError(f"NNI's server does not start ({reason}).")


def _free_port(first: int) -> int:
    for port in (*range(first, first + 100), 0):
        with socket.socket() as tried, contextlib.suppress(OSError):
            tried.bind(("127.0.0.1", port))
            return int(tried.getsockname()[1])
    raise AssertionError("the system has no free port")


def _jobs(experiment: Any) -> list[Any] | None:
    """What NNI says of its trials; None if its server has ended, or given up.

    It gives up where the tuner does not answer within ten seconds, as on a very busy machine.
    """
    if experiment._proc.poll() is not None:
        return None
    with contextlib.suppress(OSError):
        return None if experiment.get_status() == "ERROR" else list(experiment.list_trial_jobs())
    # It is busy; ask again.
    return []


def _end(experiment: Any) -> None:
    """Ends NNI's server and everything that it has started; trials record the interruption."""
    # It comes with NNI.
    import psutil

    server = experiment._proc
    if server is None:
        return
    started = [server, *psutil.Process(server.pid).children(recursive=True)]
    server.terminate()
    _, left = psutil.wait_procs(started[1:], timeout=PATIENCE)
    for process in [*left, server]:
        with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):
            process.kill()
    server.wait()
    experiment._stop_logging()


def main(arguments: list[str]) -> int:
    """Runs one worker as a trial of NNI, and leaves its last word."""
    import nni
    import psutil

    path, assembly, words, parent = arguments
    index = nni.get_next_parameter()["worker"]
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s")
    best: list[float] = []

    def report(study: optuna.Study) -> None:
        own = [trial for trial in study.get_trials(deepcopy=False) if _is_ours(trial)]
        if own and own[-1].state == TrialState.COMPLETE:
            quality = float(own[-1].values[0])
            best[:] = [max([quality, *best])]
            nni.report_intermediate_result({"default": quality, "trial": own[-1].number})

    word = Word(ExitCode.CRASHED)
    try:
        word = word_of(
            lambda: run_worker(
                *(RunFolder.open(Path(path)), index, load_assembly(assembly)),
                should_stop=lambda: not psutil.pid_exists(int(parent)),
                after_trial=report,
                yielding=YIELDING,
            )
        )
    finally:
        with (Path(words) / nni.get_trial_id()).open("wb") as file:
            word.say(file.fileno())
    if best:
        nni.report_final_result(best[0])
    if word.sentence:
        print(word.sentence, file=sys.stderr)
    return word.code


def _is_ours(trial: FrozenTrial) -> bool:
    origin = trial.user_attrs.get("origin")
    return origin is not None and origin["worker"]["pid"] == os.getpid()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
