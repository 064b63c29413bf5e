"""Trains networks that learn from each other, each with an optimiser of its own."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any

import torch
from torch import Tensor, nn

from nas.kinds.classification.settings import ClassifierFitSettings
from nas.kinds.kind import AnyKind
from nas.kinds.registry import kind_of
from nas.mutual_learning.adapters import map_loss
from nas.mutual_learning.kinds import TaskLoss, mutual_kind
from nas.mutual_learning.losses import MutualLoss, paths_of
from nas.mutual_learning.peers import PeerLosses
from nas.mutual_learning.settings import MutualConfig, Order
from nas.mutual_learning.students import Forward, Students
from nas.tasks import Task
from nas.training.balancing import balance
from nas.training.cpu_faults import around_cpu_faults
from nas.training.freezing import frozen
from nas.training.loop import Batch, Batches, train_epoch
from nas.training.precision import Precision, autocast
from nas.training.recipe import QUALITY
from nas.training.seeding import derive, seeded
from nas.training.teaching import Teaching
from nas.training.trainer import EpochRecord, FitResult, Training, run, structure
from nas.training.update import Group, Update


@dataclass(frozen=True)
class Companion:
    """What learns beside networks, such as an adapter or a shared decoder.

    Attributes:
        module: What learns.
        update: Its optimiser.
        turns: The networks in whose turn it learns, from their loss.
    """

    module: nn.Module
    update: Update
    turns: frozenset[int]


class MutualUpdate:
    """The optimisers of networks, and of what learns between them.

    Args:
        updates: By the number of the network; those that are missing stay as they are.
        companions: What learns between them.
    """

    def __init__(self, updates: Mapping[int, Update], companions: Sequence[Companion] = ()):
        self.each = dict(updates)
        self.companions = tuple(companions)

    def of_turn(self, number: int) -> tuple[Update, ...]:
        """The optimisers that follow the loss of a network."""
        beside = (one.update for one in self.companions if number in one.turns)
        return (self.each[number], *beside)

    def learning_beside(self, number: int) -> list[nn.Parameter]:
        """What learns from the loss of a network and is no part of it."""
        modules = [one.module for one in self.companions if number in one.turns]
        return [parameter for module in modules for parameter in module.parameters()]

    def all(self) -> tuple[Update, ...]:
        """Every optimiser."""
        return (*self.each.values(), *(companion.update for companion in self.companions))

    def is_finite(self) -> bool:
        """Whether every weight, statistic and average is a finite number."""
        return all(update.is_finite() for update in self.all())

    def swap_average(self) -> None:
        """Exchanges the averages and the last iterates."""
        for update in self.all():
            update.swap_average()

    def state_dict(self) -> dict[str, Any]:
        """Everything that a resumed training needs besides the networks' own state."""
        return {"each": [update.state_dict() for update in self.all()]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes back what `state_dict` gave."""
        for update, saved in zip(self.all(), state["each"], strict=True):
            update.load_state_dict(saved)


@dataclass(frozen=True)
class MutualLoop:
    """Trains networks by the epoch.

    Attributes:
        students: The networks.
        batches: Where batches come from; all networks see the same ones.
        loss: Of each network.
        task: The loss towards the labels.
        update: How, and which networks learn.
        order: sequential or simultaneous; see `MutualConfig`.
        precision: Of the forward passes; losses are always float32.
        frozen_statistics: Modules whose batch norms keep their statistics.
        map_weight: Of `map_loss`, beside the loss of each network.
        peers: Further losses between the networks, or None.
    """

    students: Students
    batches: Batches
    loss: MutualLoss
    task: TaskLoss
    update: MutualUpdate
    order: Order = "sequential"
    precision: Precision = "float32"
    frozen_statistics: tuple[nn.Module, ...] = ()
    map_weight: float = 0.0
    peers: PeerLosses | None = None

    def epoch(self, index: int, scale: Callable[[int], float] = lambda step: 1.0) -> float:
        """See `nas.training.loop.Loop.epoch`; the loss is the mean over the networks.

        Raises:
            DivergedError: If a loss or a weight is infinite or not a number.
        """
        self.students.train()
        for number in range(len(self.students)):
            self.students.student(number).train(number in self.update.each)
        for module in self.frozen_statistics:
            module.eval()
        step = self._sequential if self.order == "sequential" else self._simultaneous
        with around_cpu_faults(self.students):
            return train_epoch(self.batches, step, self.update.is_finite, index, scale)

    def _sequential(self, batch: Batch, scale: float) -> Tensor:
        """One network after the other; each update changes what its successors learn from."""
        forward, losses = self._forward(batch), []
        for number in self.update.each:
            updates = self.update.of_turn(number)
            for update in updates:
                update.zero_gradients()
            loss = self._loss(number, forward, batch)
            # A crossed path leads through the peers, which learn in their own turn.
            own = list(self.students.student(number).parameters())
            updates[0].backward(loss, only=own + self.update.learning_beside(number))
            for update in updates:
                update.step(scale)
            forward.forget(number)
            losses.append(loss.detach())
        return torch.stack(losses).mean()

    def _simultaneous(self, batch: Batch, scale: float) -> Tensor:
        forward = self._forward(batch)
        for update in self.update.all():
            update.zero_gradients()
        losses = torch.stack([self._loss(number, forward, batch) for number in self.update.each])
        losses.sum().backward()
        for update in self.update.all():
            update.step(scale)
        return losses.detach().mean()

    def _forward(self, batch: Batch) -> Forward:
        numbers = range(len(self.students)) if self.peers is not None else ()
        tapped = {number: self.peers.paths(number) for number in numbers if self.peers}
        return Forward(self.students, batch.inputs, tapped)

    def _loss(self, number: int, forward: Forward, batch: Batch) -> Tensor:
        paths = paths_of(number, len(self.students), self.students.parts, self.loss.method)
        with autocast(batch.targets.device, self.precision):
            logits = {path: forward(path) for path in paths}
        logits = {path: values.float() for path, values in logits.items()}
        loss = self.loss(number, logits, lambda values: self.task(values, batch.targets))
        if self.map_weight and self.students.adapters.of(number):
            with autocast(batch.targets.device, self.precision):
                maps = map_loss(number, self.students.adapters, forward, self.loss.detached)
            loss = loss + self.map_weight * maps
        if self.peers is not None:
            with autocast(batch.targets.device, self.precision):
                loss = loss + self.peers(number, forward, batch.targets)
        return loss


def train_students(
    students: Students,
    config: MutualConfig,
    task: Task,
    device: torch.device,
    seed: int,
    resume: FilePath | None = None,
    on_epoch: Callable[[EpochRecord], None] = lambda record: None,
) -> FitResult:
    """Trains networks together and keeps the epoch that is best on the validation split.

    All networks end with the weights of one epoch, as halves of different epochs have not learned
    together.

    Args:
        students: Trained in place.
        config: How.
        task: The data; its test split is not read.
        device: Where.
        seed: Of order, augmentation and whatever else is random in an epoch.
        resume: A checkpoint, written after every epoch; if it is there, training continues from it.
        on_epoch: Called after every epoch.

    Raises:
        DivergedError: If a loss is no longer finite.
        UserError: If a setting does not suit a network, or the checkpoint belongs to another
            training.
    """
    kind, settings = kind_of(task), config.training
    students.to(device)
    numbers = range(len(students))
    networks = [students.student(number).network for number in numbers]
    whole = [students.whole(number) for number in numbers]
    peers = _peers(students, config, task, seed)
    for number in config.learning:
        teachings = [Teaching(distiller=one) for own, one in peers.each() if own == number]
        for teaching in teachings or [Teaching()]:
            kind.check(whole[number], task, settings, teaching)
    batches = kind.batches(task, settings, Teaching(), device, derive(seed, "batches"))
    monitors = kind.monitors(settings)
    told = tuple(dict.fromkeys([*(monitor.name for monitor in monitors), *kind.figures[:1]]))

    def scores() -> dict[str, float]:
        cards = [kind.score(network, task, "validation", device) for network in whole]
        figures = [{**card.figures, QUALITY: kind.quality(card)} for card in cards]
        each = {
            f"{name} {key}": found[key]
            for name, found in zip(students.names, figures, strict=True)
            for key in told
        }
        means = {key: statistics.fmean(found[key] for found in figures) for key in told}
        return means | each

    def begin() -> None:
        for number, distiller in peers.each():
            network = networks[number]
            loss = kind.loss(network, task, settings, Teaching(distiller=distiller), device)
            statistics = kind.frozen_statistics(network, settings)
            balance(distiller, network, loss, batches.epoch(0), statistics)

    training = Training(
        network=students,
        loop=MutualLoop(
            students=students,
            batches=batches,
            loss=config.loss,
            task=mutual_kind(task.kind).task_loss(config, task, device),
            update=MutualUpdate(
                {
                    number: kind.update(networks[number], settings, Teaching(), device)
                    for number in config.learning
                },
                _companions(students, peers, config, kind, device),
            ),
            order=config.order,
            precision=settings.precision,
            frozen_statistics=tuple(
                module
                for network in networks
                for module in kind.frozen_statistics(network, settings)
            ),
            map_weight=config.adapters.map_weight if config.adapters else 0.0,
            peers=peers if config.peer_losses else None,
        ),
        schedule=kind.schedule(settings),
        scores=scores,
        monitors=monitors,
        identity=str(
            derive(repr(config.identity()), task.fingerprint, structure(students), seed),
        ),
        seed=seed,
        companions={"peers": peers} if config.peer_losses else {},
        begin=begin,
        advance=peers.advance,
        # Not every kind's settings have it.
        burn_in=getattr(settings, "burn_in", 0),
        patience=settings.patience,
    )
    with frozen([network for n, network in enumerate(networks) if n not in config.learning]):
        return run(training, resume, on_epoch)


def _peers(students: Students, config: MutualConfig, task: Task, seed: int) -> PeerLosses:
    with seeded(seed, "peers"):
        return PeerLosses(config.peer_losses or (), students, task, config.learning)


def _companions(
    students: Students,
    peers: PeerLosses,
    config: MutualConfig,
    kind: AnyKind,
    device: torch.device,
) -> list[Companion]:
    found = [
        Companion(distiller, _update_of(distiller, config.training), frozenset([number]))
        for number, distiller in peers.each()
        if any(True for _ in distiller.parameters())
    ]
    if students.decoder is not None:
        update = kind.update(students.decoder, config.training, Teaching(), device)
        found.append(Companion(students.decoder, update, frozenset(config.learning)))
    if config.adapters is None:
        return found
    for (_, sender, receiver), adapter in students.adapters.each():
        turns = {"both": (sender, receiver), "sender": (sender,), "receiver": (receiver,)}
        beside = _update_of(adapter, config.training)
        found.append(Companion(adapter, beside, frozenset(turns[config.adapters.trained_by])))
    return found


def _update_of(module: nn.Module, settings: ClassifierFitSettings) -> Update:
    group = Group(
        module,
        settings.optimiser,
        settings.learning_rate,
        settings.weight_decay,
        settings.momentum,
    )
    return Update([group], settings.clip, settings.polyak)
