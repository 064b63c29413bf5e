r"""An executor of your own starts the workers: here one after the other, each for one candidate.

    nas search --task digits --space nasbench201 --workers 2 \
        --set executor=examples/own_executor.py:OneByOne

Whatever runs `run_worker` on the run folder is a worker, on any machine that reaches its storage.
"""

from collections.abc import Callable

import optuna

from nas.searching.assembly import Assembly
from nas.searching.places import Places
from nas.searching.run_folder import RunFolder
from nas.searching.worker import run_worker


class OneByOne:
    """Workers that take turns in this process.

    Args:
        workers: How many.
        assembly: What builds the parts of the search.
        import_path: Where another process would find it.
    """

    def __init__(self, workers: int, assembly: Assembly, import_path: str) -> None:
        self._workers, self._assembly = workers, assembly

    def run(
        self,
        run: RunFolder,
        study: optuna.Study,
        places: Places,
        look: Callable[[optuna.Study], None],
    ) -> None:
        turn, before = 0, -1
        while (known := len(study.get_trials(deepcopy=False))) > before:
            before = known
            run_worker(
                run,
                turn % self._workers,
                self._assembly,
                should_stop=_after(1),
                after_trial=look,
            )
            turn += 1


def _after(trials: int) -> Callable[[], bool]:
    """What a worker asks before each trial: False a number of times, then True."""
    answers = iter([False] * trials)
    return lambda: next(answers, True)
