"""Records of trials that nobody ran."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from optuna.trial import TrialState, create_trial

from nas.searching.records import TrialRecord, record_of


def record(
    number: int, quality: float = 0.5, flops: float = 10.0, **attributes: Any
) -> TrialRecord:
    """A finished trial; `rungs` are its qualities by rung, of which the last is its quality."""
    rungs = attributes.get("rungs", {})
    quality = [quality, *rungs.values()][-1]
    known = {
        "quality": quality,
        "scores": {"f1": {"eye": quality}},
        "costs": {"flops": flops},
        "rung": [None, *rungs][-1],
        **attributes,
    }
    trial = create_trial(value=known["quality"], user_attrs=known)
    return replace(record_of(trial), number=number)


def failed(number: int) -> TrialRecord:
    """A trial that failed after its first rung."""
    attributes = {"rungs": {"early": 0.9}, "failure": "diverged"}
    trial = create_trial(state=TrialState.FAIL, user_attrs=attributes)
    return replace(record_of(trial), number=number)
