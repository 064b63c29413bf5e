"""How good every path is, and what several of them give together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from nas.kinds.classification.scoring import score_logits
from nas.mutual_learning.losses import Path, all_paths
from nas.mutual_learning.students import Students, logits_by_path
from nas.tasks import ClassificationTask
from nas.training.images import Normaliser

Mean = Literal["probabilities", "logits"]
"""What of the members of an ensemble is averaged."""

_BATCH = 256


@dataclass(frozen=True)
class PathScores:
    """Accuracies on a split.

    Attributes:
        paths: By the name of each path.
        ensembles: Of the networks and of all paths, by the mean of their probabilities and of
            their logits: keys such as ``networks, probabilities``.
    """

    paths: dict[str, float]
    ensembles: dict[str, float]


def score_paths(
    students: Students, task: ClassificationTask, split: str, device: torch.device
) -> PathScores:
    """Scores every path and the ensembles of them; nothing in it is random.

    Args:
        students: Put into evaluation mode.
        task: The data.
        split: train, validation or test.
        device: Where the networks are.
    """
    data, normalise = task.dataset(split), Normaliser(task.mean, task.std)
    paths = all_paths(len(students), students.parts)
    students.eval()
    batches = [
        logits_by_path(students, normalise(data.images[start : start + _BATCH], device), paths)
        for start in range(0, len(data), _BATCH)
    ]
    logits = {path: torch.cat([batch[path].float().cpu() for batch in batches]) for path in paths}

    def accuracy(found: Tensor) -> float:
        return score_logits(found, data.targets, task).figures["accuracy"]

    members: Mapping[str, list[Path]] = {
        "networks": [path for path in paths if len(set(path)) == 1],
        "paths": list(paths),
    }
    means: tuple[Mean, ...] = ("probabilities", "logits")
    return PathScores(
        paths={students.name(path): accuracy(logits[path]) for path in paths},
        ensembles={
            f"{name}, {mean}": accuracy(ensemble((logits[path] for path in chosen), mean))
            for name, chosen in members.items()
            for mean in means
        },
    )


def ensemble(members: Iterable[Tensor], mean: Mean = "probabilities") -> Tensor:
    """What several networks predict together, as logits.

    Args:
        members: Logits N x classes of each.
        mean: Of the probabilities, or of the logits themselves.
    """
    stacked = torch.stack(list(members))
    if mean == "logits":
        return stacked.mean(dim=0)
    return stacked.softmax(dim=2).mean(dim=0).log()
