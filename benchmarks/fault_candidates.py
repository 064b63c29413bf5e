"""Candidates of a fault campaign: they take a while, and one of them does as it is ordered.

Imported by every process that trains in a search of `fault_cases`, whose folder is in the variable
``NAS_CAMPAIGN``, and the seconds of a candidate in ``NAS_CAMPAIGN_SECONDS``.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from nas.evaluation.table_evaluator import TableEvaluator

HERE = Path(os.environ["NAS_CAMPAIGN"])
SECONDS = float(os.environ["NAS_CAMPAIGN_SECONDS"])
EXITS = {"exit0": 0, "exit2": 2, "exit3": 3}
_evaluate = TableEvaluator.evaluate


def _ordered() -> str | None:
    """What is ordered, for exactly one candidate."""
    order = HERE / "order.json"
    try:
        kind = str(json.loads(order.read_text())["kind"])
        order.rename(HERE / f"taken-{os.getpid()}")
    except (FileNotFoundError, ValueError):
        return None
    return kind


def _misbehave(kind: str | None) -> None:
    if kind == "raise":
        raise RuntimeError("as ordered")
    if kind in EXITS:
        os._exit(EXITS[kind])
    if kind == "sys_exit":
        sys.exit(0)
    if kind == "segfault":
        os.kill(os.getpid(), signal.SIGSEGV)
    if kind == "child":
        subprocess.Popen(["sleep", "3601"])
        os._exit(1)
    if kind == "hang":
        time.sleep(3600)
    if kind == "hang_swallowing":
        _hang_whatever_is_raised()
    if kind == "allocate":
        _allocate_without_end()


def _hang_whatever_is_raised() -> None:
    while True:
        with contextlib.suppress(Exception):
            time.sleep(3600)


def _allocate_without_end() -> None:
    held = []
    while True:
        held.append(np.ones(2**21))
        time.sleep(0.01)


def _slowly(self: TableEvaluator, *arguments: Any) -> Any:
    with (HERE / "trainings").open("a") as file:
        file.write(f"{arguments[0]}\n")
    time.sleep(SECONDS)
    kind = _ordered()
    _misbehave(kind)
    found = _evaluate(self, *arguments)
    if kind == "nan":
        for scores in found.scores.values():
            for name in scores:
                scores[name] = math.nan
    return found


TableEvaluator.evaluate = _slowly  # type: ignore[method-assign, assignment]
