"""What a training learns from besides its labels, and which parts of the network learn."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import KW_ONLY, dataclass, field

import torch
from torch import Tensor, nn

from nas.distillation.base import DistillationLoss
from nas.distillation.distiller import Distiller
from nas.distillation.terms import OUTPUT, Term
from nas.errors import UserError, sentence
from nas.training.cpu_faults import around_cpu_faults
from nas.training.freezing import Part, frozen
from nas.training.seeding import seeded
from nas.training.trainer import Monitor

TRAINING_LOSS = Monitor("train_loss", smaller_is_better=True)


@dataclass(frozen=True)
class KnownLogits:
    """A teacher's logits of the training images, as they are without augmentation.

    Attributes:
        logits: N x classes.
        loss: The loss towards them.
        weight: Its factor.
    """

    logits: Tensor
    loss: DistillationLoss
    weight: float


@dataclass(frozen=True)
class Teaching:
    """What is learned from, and which parts learn.

    Attributes:
        distiller: Losses towards a teacher, or None.
        known: Logits of a teacher that were computed before, instead of a distiller.
        identity: Whatever decides what the distiller is, the teacher's weights included.
        task_weight: Weight of the loss on the labels.
        frozen: Modules that stay as they are, batch-norm statistics included, and parameters.
        rates: Factors of the learning rate, by module.
        say: Told of weights that are measured.
    """

    distiller: Distiller | None = None
    _: KW_ONLY
    known: KnownLogits | None = None
    identity: str = ""
    task_weight: float = 1.0
    frozen: tuple[Part, ...] = ()
    rates: Mapping[nn.Module, float] = field(default_factory=dict)
    say: Callable[[str], None] = field(default=lambda sentence: None, compare=False)

    def __post_init__(self) -> None:
        if self.task_weight == 0 and self.distiller is None:
            raise UserError("task_weight 0 without a distillation loss leaves nothing to learn.")

    @property
    def frozen_modules(self) -> tuple[nn.Module, ...]:
        """What of the frozen parts may have statistics."""
        return tuple(part for part in self.frozen if isinstance(part, nn.Module))

    @property
    def trains_predictions(self) -> bool:
        """Whether logits are compared, with labels or the teacher's.

        Where they are not, what makes the predictions may stay untrained, and its scores say
        nothing.
        """
        terms = self.distiller.terms.values() if self.distiller is not None else ()
        on_logits = any(isinstance(t, Term) and OUTPUT in t.student_paths for t in terms)
        return self.task_weight > 0 or on_logits

    @property
    def companions(self) -> dict[str, nn.Module]:
        """What learns beside the network and is dropped after."""
        return {"distiller": self.distiller} if self.distiller is not None else {}

    def monitors(self, chosen: tuple[Monitor, ...]) -> tuple[Monitor, ...]:
        """The scores that decide which weights are best."""
        return chosen if self.trains_predictions else (TRAINING_LOSS,)

    def describe(self, network: nn.Module) -> str:
        """Changes with whatever makes another training of it."""
        names = {id(part): name for name, part in network.named_modules()}
        names |= {id(part): name for name, part in network.named_parameters()}
        frozen_parts = sorted(names[id(part)] for part in self.frozen)
        rates = sorted((names[id(module)], rate) for module, rate in self.rates.items())
        return repr((self.identity, self.task_weight, frozen_parts, rates))


def check_learning(
    network: nn.Module,
    teaching: Teaching,
    images: Tensor,
    targets: tuple[int, ...],
) -> None:
    """Refuses a training in which a part that is to learn cannot.

    Args:
        network: On the device of the training; left as it is.
        teaching: Of the training.
        images: Some images of the training, normalised.
        targets: Shape of their classes.

    Raises:
        UserError: If everything is frozen, a rate belongs to a part that does not learn, a loss
            gives no part that does a gradient, or the teacher's outputs are no numbers to learn
            from.
    """
    with frozen(teaching.frozen):
        _check_parts(network, teaching)
        if teaching.distiller is not None:
            _check_influence(network, teaching, teaching.distiller, images, targets)


def _check_parts(network: nn.Module, teaching: Teaching) -> None:
    if not any(parameter.requires_grad for parameter in network.parameters()):
        raise UserError("every part of the network is frozen, so nothing is left to learn.")
    names = {module: name for name, module in network.named_modules()}
    for module in teaching.rates:
        if not any(parameter.requires_grad for parameter in module.parameters()):
            raise UserError(f"rates: nothing in {names[module]!r} learns; leave it out.")


def _check_influence(
    network: nn.Module,
    teaching: Teaching,
    distiller: Distiller,
    images: Tensor,
    targets: tuple[int, ...],
) -> None:
    learning = [parameter for parameter in network.parameters() if parameter.requires_grad]
    classes = torch.zeros(targets, dtype=torch.int64, device=images.device)
    # A copy of the teacher has no gradient before it has learned anything else.
    with _moved(learning), as_in_training(network, teaching.frozen_modules), seeded("influence"):
        try:
            step = distiller.step(images, classes)
        except ValueError as error:
            raise UserError(sentence(str(error))) from error
        for name, loss in step.losses.items():
            gradients = _gradients(loss, learning)
            if not gradients:
                raise UserError(
                    f"the loss {name!r} compares a place before everything that learns, so it "
                    "teaches nothing; choose a later place, or let earlier parts learn."
                )
            if not any(bool(gradient.any()) for gradient in gradients):
                raise UserError(
                    f"the loss {name!r} has no gradient where it is compared, so it teaches "
                    "nothing; choose another place or another loss."
                )


def _gradients(loss: Tensor, parameters: list[nn.Parameter]) -> list[Tensor]:
    """Gradients of a loss with those parameters that it reaches."""
    if not loss.requires_grad:
        return []
    found = torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)
    return [gradient for gradient in found if gradient is not None]


@contextmanager
def _moved(parameters: list[nn.Parameter]) -> Iterator[None]:
    """A block in which parameters are a little beside their values."""
    before = [parameter.detach().clone() for parameter in parameters]
    with torch.no_grad(), seeded("moved"):
        for parameter in parameters:
            parameter.add_(0.01 * parameter.abs().mean() * torch.randn_like(parameter))
    try:
        yield
    finally:
        with torch.no_grad():
            for parameter, value in zip(parameters, before, strict=True):
                parameter.copy_(value)


@contextmanager
def as_in_training(network: nn.Module, frozen_statistics: Sequence[nn.Module]) -> Iterator[None]:
    """A block with the modes of a training; modes and statistics are then what they were.

    Args:
        network: What is trained.
        frozen_statistics: Modules whose batch norms keep their statistics.
    """
    modes = {module: module.training for module in network.modules()}
    buffers = [(buffer, buffer.clone()) for buffer in network.buffers()]
    network.train()
    for module in frozen_statistics:
        module.eval()
    try:
        with around_cpu_faults(network):
            yield
    finally:
        for module, training in modes.items():
            module.training = training
        with torch.no_grad():
            for buffer, value in buffers:
                buffer.copy_(value)
