"""What a training learns from besides its labels, and which parts of the network learn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import nn

from nas.distillation.distiller import Distiller
from nas.errors import UserError
from nas.training.trainer import Monitor

TRAINING_LOSS = Monitor("train_loss", smaller_is_better=True)
"""Decides where the labels are left out: the network's predictions may stay untrained."""


@dataclass(frozen=True)
class Teaching:
    """What is learned from, and which parts learn.

    Attributes:
        distiller: Losses towards a teacher, or None.
        identity: Whatever decides what the distiller is, the teacher's weights included.
        task_weight: Weight of the loss on the labels; at 0 the smallest training loss decides
            which weights are best.
        frozen: Modules that stay as they are, batch-norm statistics included.
        rates: Factors of the learning rate, by module.
    """

    distiller: Distiller | None = None
    identity: str = ""
    task_weight: float = 1.0
    frozen: tuple[nn.Module, ...] = ()
    rates: Mapping[nn.Module, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.task_weight == 0 and self.distiller is None:
            raise UserError("task_weight 0 without a distillation loss leaves nothing to learn.")

    def describe(self, network: nn.Module) -> str:
        """Changes with whatever makes another training of it."""
        names = {module: name for name, module in network.named_modules()}
        frozen = sorted(names[module] for module in self.frozen)
        rates = sorted((names[module], rate) for module, rate in self.rates.items())
        return repr((self.identity, self.task_weight, frozen, rates))

    @property
    def companions(self) -> dict[str, nn.Module]:
        """What learns beside the network and is dropped after."""
        return {"distiller": self.distiller} if self.distiller is not None else {}

    def monitors(self, chosen: tuple[Monitor, ...]) -> tuple[Monitor, ...]:
        """The scores that decide."""
        return chosen if self.task_weight > 0 else (TRAINING_LOSS,)
