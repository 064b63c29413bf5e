from __future__ import annotations

import optuna
import pytest

from nas.searching.memory_storage import MemoryStorage


def test_what_is_written_together_in_memory_is_written_at_the_end() -> None:
    storage = MemoryStorage()
    study = optuna.create_study(storage=storage)
    trial = study.ask()
    with storage.together():
        chosen = trial.suggest_categorical("operation", ("sum", "cat"))
        trial.set_user_attr("quality", 0.25)
        assert study.get_trials()[0].user_attrs == study.get_trials()[0].params == {}
    (read,) = study.get_trials()
    assert (read.params, read.user_attrs) == ({"operation": chosen}, {"quality": 0.25})


def test_a_block_that_raises_writes_nothing_in_memory() -> None:
    storage = MemoryStorage()
    study = optuna.create_study(storage=storage)
    trial = study.ask()
    with pytest.raises(ZeroDivisionError), storage.together():
        trial.set_user_attr("quality", 1 / 1)
        trial.set_user_attr("reward", 1 / 0)
    trial.set_user_attr("later", 1)
    assert study.get_trials()[0].user_attrs == {"later": 1}
