"""One update: clip, optimise, average."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from nas.training.flat import FlatBuffers, FlatParameters

OptimiserName = Literal["adam", "adamw", "sgd"]


@dataclass(frozen=True)
class Group:
    """A part of the network that is trained with an optimiser and learning rate of its own.

    Attributes:
        module: The part.
        optimiser: adam, adamw or sgd.
        learning_rate: Its base, before any schedule.
        weight_decay: Of all its parameters.
        momentum: Of sgd.
        without: Modules inside the part that belong to other groups, or to none.
    """

    module: nn.Module
    optimiser: OptimiserName
    learning_rate: float
    weight_decay: float = 0.0
    momentum: float = 0.9
    without: tuple[nn.Module, ...] = ()


def loss_groups(
    loss: nn.Module | None, optimiser: OptimiserName, learning_rate: float
) -> tuple[Group, ...]:
    """A group for what learns within a loss, such as a generator; none if nothing does."""
    if loss is None or not any(p.requires_grad for p in loss.parameters()):
        return ()
    return (Group(loss, optimiser, learning_rate),)


class Update:
    """Optimisers, gradient clipping and Polyak averaging of a network's groups.

    The average covers parameters and batch-norm statistics: an average that leaves the
    statistics behind belongs to no network that ever existed.

    Args:
        groups: Parts of the network, which must not share parameters.
        clip: Largest norm of each group's gradient, or None.
        polyak: Decay of the running average in [0, 1), or None for no average.
        scaler: Of the losses, where the forward pass is in float16; an update whose gradients
            overflowed is left out.

    Raises:
        ValueError: If a group has no trainable parameter, or `clip` or `polyak` is out of range.
    """

    def __init__(
        self,
        groups: Sequence[Group],
        clip: float | None = None,
        polyak: float | None = None,
        scaler: torch.amp.GradScaler | None = None,
    ):
        if clip is not None and not clip > 0:
            raise ValueError(f"clip must be above 0, not {clip}")
        if polyak is not None and not 0 <= polyak < 1:
            raise ValueError(f"polyak must be at least 0 and below 1, not {polyak}")
        self._groups = tuple(groups)
        self._parameters = [FlatParameters(group.module, group.without) for group in groups]
        self._buffers = [FlatBuffers(group.module, group.without) for group in groups]
        self._optimisers = [
            _optimiser(group, flat.values)
            for group, flat in zip(groups, self._parameters, strict=True)
        ]
        self._clip = clip
        self._polyak = polyak
        self._scaler = scaler
        self._averages = (
            [tensor.clone() for tensor in self._tensors()] if polyak is not None else []
        )
        self._steps = 0

    def zero_gradients(self) -> None:
        """Forgets the gradients; to be called before every backward pass."""
        for flat in self._parameters:
            flat.gradients.zero_()

    def backward(self, loss: Tensor, only: Sequence[Tensor] | None = None) -> None:
        """Adds the gradients of a loss.

        Args:
            loss: A scalar.
            only: Parameters that get gradients; None for all that the loss depends on.
        """
        (self._scaler.scale(loss) if self._scaler else loss).backward(inputs=only)

    def step(self, scale: float = 1.0) -> None:
        """Applies the gradients.

        Args:
            scale: Factor of every group's learning rate, from the schedule.
        """
        for group, flat, optimiser in zip(
            self._groups, self._parameters, self._optimisers, strict=True
        ):
            if self._scaler:
                self._scaler.unscale_(optimiser)
            if self._clip is not None:
                norm = torch.linalg.vector_norm(flat.gradients)
                flat.gradients.mul_((self._clip / (norm + 1e-6)).clamp(max=1.0))
            optimiser.param_groups[0]["lr"] = group.learning_rate * scale
            if self._scaler:
                self._scaler.step(optimiser)
            else:
                optimiser.step()
        if self._scaler:
            self._scaler.update()
        self._average()

    def is_finite(self) -> bool:
        """Whether every parameter, statistic and average is a finite number."""
        return all(bool(t.isfinite().all()) for t in (*self._tensors(), *self._averages))

    def load_average(self) -> None:
        """Puts the averages into the network; the last iterate is lost."""
        for tensor, average in zip(self._tensors(), self._averages, strict=False):
            tensor.copy_(average)

    def swap_average(self) -> None:
        """Exchanges the averages and the last iterate, for scoring in the middle of training."""
        for tensor, average in zip(self._tensors(), self._averages, strict=False):
            last = tensor.clone()
            tensor.copy_(average)
            average.copy_(last)

    def state_dict(self) -> dict[str, Any]:
        """Everything that a resumed training needs besides the network's own state."""
        return {
            "optimisers": [optimiser.state_dict() for optimiser in self._optimisers],
            "averages": self._averages,
            "steps": self._steps,
            "scaler": self._scaler.state_dict() if self._scaler else {},
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes back what `state_dict` gave."""
        for optimiser, saved in zip(self._optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(saved)
        for average, saved in zip(self._averages, state["averages"], strict=True):
            average.copy_(saved)
        self._steps = state["steps"]
        if self._scaler:
            self._scaler.load_state_dict(state["scaler"])

    def _tensors(self) -> list[Tensor]:
        return [flat.values for flat in self._parameters] + [b.values for b in self._buffers]

    def _average(self) -> None:
        self._steps += 1
        if self._polyak is None:
            return
        # A short run must not be dragged towards its random start.
        decay = min(self._polyak, self._steps / (self._steps + 9))
        for tensor, average in zip(self._tensors(), self._averages, strict=True):
            average.lerp_(tensor, 1 - decay)


def _optimiser(group: Group, values: Tensor) -> torch.optim.Optimizer:
    if not math.isfinite(group.learning_rate) or group.learning_rate <= 0:
        raise ValueError(f"a learning rate must be above 0, not {group.learning_rate}")
    settings: dict[str, Any] = {"lr": group.learning_rate, "weight_decay": group.weight_decay}
    if group.optimiser == "sgd":
        return torch.optim.SGD([values], momentum=group.momentum, fused=True, **settings)
    kind = torch.optim.AdamW if group.optimiser == "adamw" else torch.optim.Adam
    return kind([values], fused=True, **settings)
