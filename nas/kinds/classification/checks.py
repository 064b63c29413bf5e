"""Whether a training of a classifier can work."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

from nas.errors import UserError
from nas.kinds.classification.settings import ClassifierFitSettings
from nas.tasks import ClassificationTask
from nas.training.images import some_images
from nas.training.teaching import Teaching, check_learning


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
        _check_without_labels(settings)
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
    device = next((p.device for p in network.parameters()), torch.device("cpu"))
    images = some_images(task, device)
    check_learning(network, teaching, images, images.shape[:1])


def _check_without_labels(settings: ClassifierFitSettings) -> None:
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
