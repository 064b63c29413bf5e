"""How good every path is, and what several of them give together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from nas.mutual_learning.kinds import mutual_kind, predicted
from nas.mutual_learning.losses import Path, all_paths
from nas.mutual_learning.students import Students, logits_by_path
from nas.tasks import Task
from nas.training.images import Normaliser

Mean = Literal["probabilities", "logits"]
"""What of the members of an ensemble is averaged."""


@dataclass(frozen=True)
class PathScores:
    """Accuracies on a split, or the mean IoU for segmentation.

    Attributes:
        paths: By the name of each path.
        ensembles: Of the networks and of all paths, by the mean of their probabilities and of
            their logits: keys such as ``networks, probabilities``.
    """

    paths: dict[str, float]
    ensembles: dict[str, float]


def score_paths(students: Students, task: Task, split: str, device: torch.device) -> PathScores:
    """Scores every path and the ensembles of them; nothing in it is random.

    Args:
        students: Put into evaluation mode.
        task: The data.
        split: train, validation or test.
        device: Where the networks are.
    """
    kind, data = mutual_kind(task.kind), task.dataset(split)
    normalise = Normaliser(task.mean, task.std)
    paths = all_paths(len(students), students.parts)
    members: Mapping[str, list[Path]] = {
        "networks": [path for path in paths if len(set(path)) == 1],
        "paths": list(paths),
    }
    means: tuple[Mean, ...] = ("probabilities", "logits")
    alone = {path: kind.confusion(task) for path in paths}
    together = {(name, mean): kind.confusion(task) for name in members for mean in means}
    students.eval()
    for start in range(0, len(data), kind.batch):
        targets = data.targets[start : start + kind.batch]
        images = normalise(data.images[start : start + kind.batch], device)
        on_device = logits_by_path(students, images, paths)
        logits = {path: found.float().cpu() for path, found in on_device.items()}
        for path, meter in alone.items():
            meter.update(predicted(logits[path], targets).numpy(), targets.numpy())
        for (name, mean), meter in together.items():
            found = ensemble((logits[path] for path in members[name]), mean)
            meter.update(predicted(found, targets).numpy(), targets.numpy())
    return PathScores(
        paths={students.name(path): kind.value(meter, task) for path, meter in alone.items()},
        ensembles={
            f"{name}, {mean}": kind.value(meter, task) for (name, mean), meter in together.items()
        },
    )


def ensemble(members: Iterable[Tensor], mean: Mean = "probabilities") -> Tensor:
    """What several networks predict together, as logits.

    Args:
        members: Logits of each, N x classes or N x classes x h x w.
        mean: Of the probabilities, or of the logits themselves.
    """
    stacked = torch.stack(list(members))
    if mean == "logits":
        return stacked.mean(dim=0)
    return stacked.softmax(dim=2).mean(dim=0).log()
