from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import optuna
from hand_made import record
from optuna.trial import TrialState, create_trial
from rich.console import Console

from nas.report.search_progress import SearchProgress, describe


def test_a_line_tells_where_a_training_was_cut_short() -> None:
    line = describe(record(3, rungs={"epoch 2": 0.25}, stopped=True, seconds={"total": 2.0}))
    assert line == "trial 3  quality 0.2500  flops 10  cut short at epoch 2  2.0 s"


def test_a_line_tells_of_a_limit_that_was_exceeded() -> None:
    beyond = {"latency": {"limit": 5.0, "value": 6.25}}
    known = record(3, beyond=beyond, seconds={"total": 2.0})
    assert describe(known) == (
        "trial 3  quality 0.5000  flops 10  measured beyond the limits: "
        "latency 6.25 ms of 5 ms  2.0 s"
    )
    pruned = replace(known, state="pruned", quality=None)
    assert describe(pruned) == "trial 3  beyond the limits: latency 6.25 ms of 5 ms"


def test_every_trial_has_a_line() -> None:
    study = optuna.create_study()
    study.set_user_attr("trials", 2)
    with SearchProgress(Console(file=io.StringIO(), width=200)) as progress:
        progress.look(study)
        for quality in (0.25, 0.5):
            add(study, quality)
            progress.look(study)
        first, last = progress._console.file.getvalue().splitlines()
    assert "trial 0  quality 0.2500  flops 10" in first and "[1/2, " in first
    assert last.endswith("[2/2, 0.0 s left]")


def test_candidates_beyond_the_limits_are_told_of_together() -> None:
    study = optuna.create_study()
    study.set_user_attr("trials", 2)
    output = io.StringIO()
    progress = SearchProgress(Console(file=output, width=200))
    progress.look(study)
    for number in range(51):
        add(study, pruned={"flops": {"limit": 1.0, "value": 2.0 + number}})
    add(study, quality=0.5)
    progress.look(study)
    first, last = (line.partition(" ")[2] for line in output.getvalue().splitlines())
    assert first.startswith("50 in a row beyond the limits, trial 49  beyond the limits: flops 51")
    assert last.startswith("trial 51  quality 0.5000  flops 10  0.0 s  after 51 beyond the limits")
    assert "[1/2," in last


def add(study: optuna.Study, quality: float | None = None, pruned: Any = None) -> None:
    known = {"costs": {"flops": 10.0}, **({"beyond": pruned} if pruned else {"quality": quality})}
    state = TrialState.PRUNED if pruned else TrialState.COMPLETE
    study.add_trial(create_trial(state=state, value=quality, user_attrs=known))


def test_a_line_tells_of_a_repeat() -> None:
    assert describe(record(3, duplicate_of=1)).endswith("repeats trial 1")
