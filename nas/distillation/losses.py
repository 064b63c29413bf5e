"""The distillation losses by name."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from nas.distillation.base import DistillationLoss
from nas.distillation.distributions import MMD, NST
from nas.distillation.features import AttentionTransfer, FeatureMSE, Hint
from nas.distillation.logits import DIST, DKD, ChannelWise, LogitMSE, SoftTarget
from nas.distillation.masked_generation import MGD
from nas.distillation.relations import RKD, Similarity

Compared = Literal["logits", "features"]


@dataclass(frozen=True)
class LossOption:
    """An option of a loss.

    Attributes:
        name: Its name.
        required: Whether it has to be given.
        default: Its value when it is not given; None if it is required.
    """

    name: str
    required: bool
    default: Any = None

    def __str__(self) -> str:
        return self.name if self.required else f"{self.name}={self.default!r}"


@dataclass(frozen=True)
class LossInfo:
    """What a user has to know to choose a loss.

    Attributes:
        name: What `create_loss` calls it.
        summary: What it compares, in one line.
        paper: Authors, year and title.
        link: Where the paper is.
        compares: What it is called with; the usual choice first.
        options: What it can be made with.
        needs_targets: Whether it is called with (student, teacher, targets).
    """

    name: str
    summary: str
    paper: str
    link: str
    compares: tuple[Compared, ...]
    options: tuple[LossOption, ...]
    needs_targets: bool


@dataclass(frozen=True)
class _Entry:
    loss: type[DistillationLoss]
    compares: tuple[Compared, ...]
    summary: str
    paper: str
    link: str


_LOSSES: dict[str, _Entry] = {
    "logit_mse": _Entry(
        LogitMSE,
        ("logits",),
        "mean squared difference of the logits",
        "Ba and Caruana 2014, Do Deep Nets Really Need to be Deep?",
        "https://arxiv.org/abs/1312.6184",
    ),
    "soft_target": _Entry(
        SoftTarget,
        ("logits",),
        "KL divergence of predictions softened by a temperature",
        "Hinton et al. 2015, Distilling the Knowledge in a Neural Network",
        "https://arxiv.org/abs/1503.02531",
    ),
    "dkd": _Entry(
        DKD,
        ("logits",),
        "soft targets, with separate weights for the true class and the others",
        "Zhao et al. 2022, Decoupled Knowledge Distillation",
        "https://arxiv.org/abs/2203.08679",
    ),
    "dist": _Entry(
        DIST,
        ("logits",),
        "correlation of the predictions over classes and over samples",
        "Huang et al. 2022, Knowledge Distillation from A Stronger Teacher",
        "https://arxiv.org/abs/2205.10536",
    ),
    "channel_wise": _Entry(
        ChannelWise,
        ("logits", "features"),
        "KL divergence over the positions of each channel, for segmentation",
        "Shu et al. 2021, Channel-wise Knowledge Distillation for Dense Prediction",
        "https://arxiv.org/abs/2011.13256",
    ),
    "feature_mse": _Entry(
        FeatureMSE,
        ("features",),
        "mean squared difference of features of equal shape",
        "Romero et al. 2015, FitNets: Hints for Thin Deep Nets",
        "https://arxiv.org/abs/1412.6550",
    ),
    "hint": _Entry(
        Hint,
        ("features",),
        "squared difference of a guided layer and a hint, in the paper's scaling or as a mean",
        "Romero et al. 2015, FitNets: Hints for Thin Deep Nets",
        "https://arxiv.org/abs/1412.6550",
    ),
    "attention": _Entry(
        AttentionTransfer,
        ("features",),
        "where the maps are strong, whatever their channels",
        "Zagoruyko and Komodakis 2017, Paying More Attention to Attention: Improving the "
        "Performance of Convolutional Neural Networks via Attention Transfer",
        "https://arxiv.org/abs/1612.03928",
    ),
    "mgd": _Entry(
        MGD,
        ("features", "logits"),
        "the teacher's map, generated from a masked map of the student",
        "Yang et al. 2022, Masked Generative Distillation",
        "https://arxiv.org/abs/2205.01529",
    ),
    "similarity": _Entry(
        Similarity,
        ("features",),
        "which samples of the batch resemble each other",
        "Tung and Mori 2019, Similarity-Preserving Knowledge Distillation",
        "https://arxiv.org/abs/1907.09682",
    ),
    "rkd": _Entry(
        RKD,
        ("features",),
        "distances of pairs and angles of triplets of samples",
        "Park et al. 2019, Relational Knowledge Distillation",
        "https://arxiv.org/abs/1904.05068",
    ),
    "mmd": _Entry(
        MMD,
        ("features",),
        "maximum mean discrepancy of the samples under five Gaussians",
        "Gretton et al. 2012, A Kernel Two-Sample Test",
        "https://jmlr.org/papers/v13/gretton12a.html",
    ),
    "nst": _Entry(
        NST,
        ("features",),
        "maximum mean discrepancy of the channels under a polynomial kernel",
        "Huang and Wang 2017, Like What You Like: Knowledge Distill via Neuron Selectivity "
        "Transfer",
        "https://arxiv.org/abs/1707.01219",
    ),
}


def names() -> tuple[str, ...]:
    """The known losses, those on logits first."""
    return tuple(_LOSSES)


def describe() -> tuple[LossInfo, ...]:
    """What the known losses are, in the order of `names`."""
    return tuple(
        LossInfo(
            name=name,
            summary=entry.summary,
            paper=entry.paper,
            link=entry.link,
            compares=entry.compares,
            options=_options(entry.loss),
            needs_targets=entry.loss.needs_targets,
        )
        for name, entry in _LOSSES.items()
    )


def create_loss(name: str, **options: Any) -> DistillationLoss:
    """Makes a loss by name.

    Raises:
        ValueError: If there is no such loss, or an option is unknown, missing or wrong.
    """
    if name not in _LOSSES:
        raise ValueError(f"no distillation loss {name!r}; {_suggestion(name, _LOSSES)}")
    loss = _LOSSES[name].loss
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
        num_classes: Channels of the logits, for losses that are made for a number of channels;
            such a loss masks positions unless an option says otherwise.
        **options: Of the loss.

    Raises:
        ValueError: As `create_loss`, or if the loss compares features.
    """
    entry = _LOSSES.get(name)
    if entry is not None:
        if "logits" not in entry.compares:
            known = ", ".join(n for n, other in _LOSSES.items() if "logits" in other.compares)
            raise ValueError(
                f"distillation loss {name!r} compares features, and only logits are at hand "
                f"here; choose one of {known}"
            )
        if entry.loss is MGD:
            channels = {"student_channels": num_classes, "teacher_channels": num_classes}
            options = channels | {"mask": "spatial"} | options
    return create_loss(name, **options)


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
