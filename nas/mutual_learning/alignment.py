"""Brings the channels of networks that were trained before into one order."""

from __future__ import annotations

import torch
from torch import Tensor

from nas.mutual_learning.folding import fold
from nas.mutual_learning.matching import match_channels
from nas.mutual_learning.settings import MatchingSettings
from nas.mutual_learning.students import Forward, Students


def align(
    students: Students, images: Tensor, settings: MatchingSettings
) -> dict[str, list[tuple[int, ...]]]:
    """Reorders channels at every cut by those of the first network; no logit changes.

    Args:
        students: Their weights are permuted in place.
        images: Normalised, N x channels x height x width, on the device of the networks.
        settings: How channels are matched.

    Returns:
        By network, the rounds of the matching at each cut.

    Raises:
        UserError: If the channels of a network cannot be reordered.
    """
    training = students.training
    students.eval()
    found: dict[str, list[tuple[int, ...]]] = {name: [] for name in students.names[1:]}
    with torch.no_grad():
        forward = Forward(students, images)
        for number in range(1, len(students)):
            network, name = students.student(number), students.names[number]
            for end, cut in enumerate(network.cuts, start=1):
                matching = match_channels(
                    forward((0,) * end),
                    forward((number,) * end),
                    settings.similarity,
                    settings.standardised,
                    settings.assignment,
                )
                fold(network.network, cut, matching.columns, name)
                found[name].append(matching.rounds)
    students.train(training)
    return found
