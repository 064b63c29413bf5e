"""Losses that carry what a teacher knows over to a student, and what runs the two together."""

from nas.distillation.adapters import adapter_for, create_adapter, create_regressor
from nas.distillation.base import IGNORED_TARGET, DistillationLoss, LossInfo, LossOption
from nas.distillation.distiller import DistillationStep, Distiller
from nas.distillation.losses import (
    address,
    create_logit_loss,
    create_loss,
    describe,
    find,
    is_importable,
    names,
    register,
)
from nas.distillation.places import find_path, shapes
from nas.distillation.taps import Taps
from nas.distillation.terms import TermSettings
from nas.distillation.weighting import ratio_weight

__all__ = [
    "IGNORED_TARGET",
    "DistillationLoss",
    "DistillationStep",
    "Distiller",
    "LossInfo",
    "LossOption",
    "Taps",
    "TermSettings",
    "adapter_for",
    "address",
    "create_adapter",
    "create_logit_loss",
    "create_loss",
    "create_regressor",
    "describe",
    "find",
    "find_path",
    "is_importable",
    "names",
    "ratio_weight",
    "register",
    "shapes",
]
