"""Losses of distillation between networks that learn from each other."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from nas.distillation.distiller import Distiller
from nas.distillation.terms import TermSettings
from nas.errors import UserError, sentence
from nas.mutual_learning.students import Forward, Students
from nas.tasks import Task


class PeerLosses(nn.Module):
    """Terms of distillation by which each network learns from each of its peers.

    Its state is that of the adapters and generators of the terms, which learn with the networks
    and are dropped after.

    Args:
        terms: The losses; none for no such loss.
        students: The networks, which stay as they are.
        task: Tells the shape of the images and the classes.
        learning: Numbers of the networks that learn.

    Raises:
        UserError: If a loss is not defined for two of the networks.
    """

    def __init__(
        self,
        terms: Sequence[TermSettings],
        students: Students,
        task: Task,
        learning: Collection[int],
    ):
        super().__init__()
        self._count = len(students)
        self.pairs = nn.ModuleDict()
        for own in learning if terms else ():
            for peer in self._peers(own):
                learner, teacher = (students.student(number).network for number in (own, peer))
                try:
                    self.pairs[f"{own}-{peer}"] = Distiller(
                        terms, learner, teacher, task.input_shape, task.num_classes
                    )
                except ValueError as error:
                    raise UserError(f"peer_losses: {sentence(str(error))}") from error

    def each(self) -> Iterator[tuple[int, Distiller]]:
        """Every loss between two networks, with the number of the one that learns from it."""
        for key, distiller in self.pairs.items():
            yield int(key.split("-")[0]), cast(Distiller, distiller)

    def paths(self, number: int) -> tuple[str, ...]:
        """Paths of a network's modules whose outputs are compared."""
        found: list[str] = []
        for key, distiller in self.pairs.items():
            own, peer = map(int, key.split("-"))
            assert isinstance(distiller, Distiller)
            found += distiller.student_paths if own == number else ()
            found += distiller.teacher_paths if peer == number else ()
        return tuple(dict.fromkeys(found))

    def advance(self, progress: float) -> None:
        """Tells how much of the training has passed, from 0 to 1, for weights with a course."""
        for _, distiller in self.each():
            distiller.advance(progress)

    def __call__(self, own: int, forward: Forward, targets: Tensor) -> Tensor:
        """The weighted sum of the terms, a mean over the peers; a scalar.

        Args:
            own: Number of the network that learns.
            forward: Of a batch; it taps the modules at `paths`.
            targets: The true classes, N.
        """
        totals = []
        for peer in self._peers(own):
            distiller = cast(Distiller, self.pairs[f"{own}-{peer}"])
            _, total = distiller.compare(forward.outputs(own), forward.outputs(peer), targets)
            totals.append(total)
        return torch.stack(totals).mean()

    def _peers(self, own: int) -> list[int]:
        return [number for number in range(self._count) if number != own]
