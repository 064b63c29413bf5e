"""How long it takes to the exits of networks, from measurements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch

import latency
from nas.mutual_learning.anytime_description import Times
from nas.mutual_learning.losses import Path
from nas.mutual_learning.students import Students

QUANTILE = 0.99
"""Share of the measurements that do not exceed a time."""


def times_of(
    students: Students,
    device: str,
    parts: Mapping[Path, Sequence[float]],
    exits: Mapping[Path, Sequence[float]],
) -> Times:
    """Times from measurements.

    Args:
        students: They name the paths.
        device: Where it was measured.
        parts: Milliseconds of the last part of the beginning of each path, one for each round.
        exits: The same of the answer there.
    """
    answers, asking = {}, {}
    for after in ((), *parts):
        for path in parts:
            if not leads_to(after, path):
                continue
            run = [path[:end] for end in range(len(after) + 1, len(path) + 1)]
            # The sum of what 99 % do not exceed would be exceeded far less often.
            running = np.sum([parts[one] for one in run], axis=0)
            asked = np.sum([exits[one] for one in run], axis=0)
            key = stretch(students, after, path)
            answers[key] = float(np.quantile(running + exits[path], QUANTILE))
            asking[key] = float(np.quantile(running + asked, QUANTILE))
    return Times(device=device, answers=answers, asking=asking)


def machine() -> str:
    """What times belong to: the processor and the number of threads."""
    threads = torch.get_num_threads()
    return f"{latency.identify('cpu', threads).model}, {threads} threads"


def stretch(students: Students, after: Path, path: Path) -> str:
    """What the way from the end of the beginning of a path to an exit is called in `Times`."""
    return f"{students.name(after)}>{students.name(path)}"


def leads_to(beginning: Path, path: Path) -> bool:
    """Whether a path goes on where a beginning ends."""
    return len(path) > len(beginning) and path[: len(beginning)] == beginning
