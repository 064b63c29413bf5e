"""What a classifier learns from, which parts of it learn, and whether that can work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

from nas.distillation.distiller import Distiller
from nas.distillation.terms import OUTPUT, Term
from nas.errors import UserError, sentence
from nas.tasks import ClassificationTask
from nas.training.classification.freezing import Part, frozen
from nas.training.classification.settings import ClassifierFitSettings
from nas.training.seeding import seeded


@dataclass(frozen=True)
class Teaching:
    """What is learned from, and which parts learn.

    Attributes:
        distiller: Losses towards a teacher, or None.
        identity: Whatever decides what the distiller is, the teacher's weights included.
        task_weight: Weight of the cross-entropy.
        frozen: Modules that stay as they are, batch-norm statistics included, and parameters.
        rates: Factors of the learning rate, by module.
    """

    distiller: Distiller | None = None
    identity: str = ""
    task_weight: float = 1.0
    frozen: tuple[Part, ...] = ()
    rates: Mapping[nn.Module, float] = field(default_factory=dict)

    @property
    def frozen_modules(self) -> tuple[nn.Module, ...]:
        """What of the frozen parts may have statistics."""
        return tuple(part for part in self.frozen if isinstance(part, nn.Module))

    @property
    def trains_predictions(self) -> bool:
        """Whether logits are compared, with labels or the teacher's.

        Where they are not, the classifier itself may stay untrained, and its accuracy says nothing.
        """
        terms = self.distiller.terms.values() if self.distiller is not None else ()
        on_logits = any(isinstance(t, Term) and OUTPUT in t.student_paths for t in terms)
        return self.task_weight > 0 or on_logits


def check(
    network: nn.Module,
    task: ClassificationTask,
    settings: ClassifierFitSettings,
    teaching: Teaching,
) -> None:
    """Refuses combinations that cannot work, and settings that would have no effect.

    Args:
        network: On the device of the training; left as it is.
        task: Gives the size of the images.
        settings: Of the training.
        teaching: Of the training.

    Raises:
        UserError: One sentence that says which.
    """
    if teaching.task_weight == 0:
        _check_without_labels(settings, teaching)
    if settings.r_drop is not None:
        _check_r_drop(network, teaching)
    if settings.freeze_batch_norm and not any(isinstance(m, _BatchNorm) for m in network.modules()):
        raise UserError("freeze_batch_norm: the network has no batch norm; leave it out.")
    distiller = teaching.distiller
    if settings.mixing != "none" and distiller is not None and distiller.needs_targets:
        raise UserError(
            f"mixing {settings.mixing} gives shares of the classes, and a loss here needs the true "
            "class of every image; set mixing none, or choose another loss."
        )
    with frozen(teaching.frozen):
        _check_learning(network, teaching)
        if distiller is not None:
            _check_influence(network, distiller, task.input_size)


def _check_without_labels(settings: ClassifierFitSettings, teaching: Teaching) -> None:
    if teaching.distiller is None:
        raise UserError("task_weight 0 without a distillation loss leaves nothing to learn.")
    for key in ("label_smoothing", "class_weights"):
        default = ClassifierFitSettings.model_fields[key].default
        if getattr(settings, key) != default:
            raise UserError(
                f"{key} changes the cross-entropy, which task_weight 0 leaves out; set it to "
                f"{default} here."
            )


def _check_r_drop(network: nn.Module, teaching: Teaching) -> None:
    if not teaching.trains_predictions:
        raise UserError("r_drop compares predictions, and none are trained here; set it to null.")
    still = {inner for module in teaching.frozen_modules for inner in module.modules()}
    if not any(_drops(module) for module in network.modules() if module not in still):
        raise UserError(
            "r_drop compares two passes with different dropout, and no part of this network that "
            "learns has any; give it some, for example model.options.drop_rate=0.1."
        )


def _drops(module: nn.Module) -> bool:
    """Whether two passes in training mode differ by this module."""
    names = ("p",) if isinstance(module, _DropoutNd) else ("drop_prob", "drop_rate")
    rates = (getattr(module, name, None) for name in names)
    return any(isinstance(rate, float | int) and rate > 0 for rate in rates)


def _check_learning(network: nn.Module, teaching: Teaching) -> None:
    if not any(parameter.requires_grad for parameter in network.parameters()):
        raise UserError("every part of the network is frozen, so nothing is left to learn.")
    names = {module: name for name, module in network.named_modules()}
    for module in teaching.rates:
        if not any(parameter.requires_grad for parameter in module.parameters()):
            raise UserError(f"rates: nothing in {names[module]!r} learns; leave it out.")


def _check_influence(network: nn.Module, distiller: Distiller, input_size: tuple[int, int]) -> None:
    """Refuses a loss that reaches no part that learns."""
    learning = [parameter for parameter in network.parameters() if parameter.requires_grad]
    device, training = learning[0].device, network.training
    network.eval()
    try:
        with seeded("influence") as generator:
            images = torch.randn((2, 3, *input_size), generator=generator).to(device)
            step = distiller.step(images, torch.zeros(2, dtype=torch.int64, device=device))
    except ValueError as error:
        raise UserError(sentence(str(error))) from error
    finally:
        network.train(training)
    for name, loss in step.losses.items():
        if not _reaches(loss, learning):
            raise UserError(
                f"the loss {name!r} compares a place before everything that learns, so it teaches "
                "nothing; choose a later place, or let earlier parts learn."
            )


def _reaches(loss: torch.Tensor, parameters: list[nn.Parameter]) -> bool:
    if not loss.requires_grad:
        return False
    gradients = torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)
    return any(gradient is not None for gradient in gradients)
