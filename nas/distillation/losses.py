"""The distillation losses by name."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, TypeVar

from nas.distillation.base import DistillationLoss, LossInfo, LossOption
from open_registry import Registry

L = TypeVar("L", bound=type[DistillationLoss])


def _complaint(found: Any) -> str | None:
    if not (isinstance(found, type) and issubclass(found, DistillationLoss)):
        return "must be a subclass of DistillationLoss"
    if not isinstance(getattr(found, "info", None), LossInfo):
        return "must have the class attribute `info`, a LossInfo"
    return None


_LOSSES: Registry[type[DistillationLoss]] = Registry(
    "distillation loss",
    {
        "logit_mse": "nas.distillation.logits:LogitMSE",
        "soft_target": "nas.distillation.logits:SoftTarget",
        "dkd": "nas.distillation.logits:DKD",
        "dist": "nas.distillation.logits:DIST",
        "channel_wise": "nas.distillation.logits:ChannelWise",
        "feature_mse": "nas.distillation.features:FeatureMSE",
        "hint": "nas.distillation.features:Hint",
        "attention": "nas.distillation.features:AttentionTransfer",
        "mgd": "nas.distillation.masked_generation:MGD",
        "similarity": "nas.distillation.relations:Similarity",
        "rkd": "nas.distillation.relations:RKD",
        "mmd": "nas.distillation.distributions:MMD",
        "nst": "nas.distillation.distributions:NST",
        "patch_bce": "nas.distillation.patches:PatchBCE",
        "patch_kl": "nas.distillation.patches:PatchKL",
        "patch_mmd": "nas.distillation.patches:PatchMMD",
        "multi_scale": "nas.distillation.patches:MultiScale",
        "mad": "nas.distillation.patches:EntropySimilarity",
        "adversarial": "nas.distillation.adversarial:Adversarial",
        "reconstruction": "nas.distillation.reconstruction:Reconstruction",
    },
    _complaint,
)


def register(loss: L) -> L:
    """A decorator that makes a loss known by the name in its `info`.

    Without it, a loss is known by its import path, ``package.module:Name`` or
    ``path/to/file.py:Name``.

    Raises:
        ValueError: If the class is no loss with an `info`, or its name is taken.
    """
    info = getattr(loss, "info", None)
    return _LOSSES.register(info.name if isinstance(info, LossInfo) else loss.__name__)(loss)


def names() -> tuple[str, ...]:
    """The built-in losses, those on logits first, then the registered ones."""
    return _LOSSES.names()


def find(name: str) -> type[DistillationLoss]:
    """The class of a loss.

    Args:
        name: One of `names()`, or an import path: ``package.module:Name`` or
            ``path/to/file.py:Name``.

    Raises:
        ValueError: If there is no such loss.
    """
    return _LOSSES.get(name)


def address(loss: str | type[DistillationLoss]) -> str:
    """What `find` takes for the same loss in another process, started in any folder.

    Returns:
        The name of a built-in loss; an import path, with the absolute path of its file, of
        others; the name of one that was defined in a notebook, which `is_importable` tells.

    Raises:
        ValueError: If there is no such loss.
    """
    return _LOSSES.address(loss)


def is_importable(loss: str | type[DistillationLoss]) -> bool:
    """Whether other processes find the loss by its `address`.

    Raises:
        ValueError: If there is no such loss.
    """
    return _LOSSES.is_importable(loss)


def describe() -> tuple[LossInfo, ...]:
    """What the known losses are, in the order of `names`."""
    losses = [find(name) for name in names()]
    return tuple(replace(loss.info, options=_options(loss)) for loss in losses)


def create_loss(name: str, **options: Any) -> DistillationLoss:
    """Makes a loss by name or import path.

    Raises:
        ValueError: If there is no such loss, or an option is unknown, missing or wrong.
    """
    loss = find(name)
    known = {option.name: option for option in _options(loss)}
    for option in options:
        if option not in known:
            raise ValueError(
                f"distillation loss {name!r} has no option {option!r}; {_suggestion(option, known)}"
            )
    for option, information in known.items():
        if information.required and option not in options:
            raise ValueError(f"distillation loss {name!r} needs the option {option!r}")
    try:
        return loss(**options)
    except ValueError as error:
        raise ValueError(f"distillation loss {name!r}: {error}") from error


def create_logit_loss(name: str, num_classes: int, **options: Any) -> DistillationLoss:
    """Makes a loss that compares the logits of segmentation, N x classes x H x W.

    Args:
        name: A loss that `describe` says compares logits.
        num_classes: Channels of the logits, for losses that are made for a number of channels.
        **options: Of the loss.

    Raises:
        ValueError: As `create_loss`, or if the loss compares features.
    """
    loss = find(name)
    if "logits" not in loss.info.compares:
        known = ", ".join(info.name for info in describe() if "logits" in info.compares)
        raise ValueError(
            f"distillation loss {name!r} compares features, and only logits are at hand here; "
            f"choose one of {known}"
        )
    shape = (1, num_classes)
    return create_loss(name, **(loss.options_for(shape, shape, "segmentation") | options))


def _options(loss: type[DistillationLoss]) -> tuple[LossOption, ...]:
    return tuple(
        LossOption(parameter.name, required=True)
        if parameter.default is parameter.empty
        else LossOption(parameter.name, required=False, default=parameter.default)
        for parameter in inspect.signature(loss).parameters.values()
    )


def _suggestion(word: str, known: Iterable[str]) -> str:
    known = list(known)
    if not known:
        return "it has none"
    nearest = difflib.get_close_matches(word, known, n=1)
    return f"did you mean {nearest[0]!r}?" if nearest else f"known: {', '.join(known)}"
