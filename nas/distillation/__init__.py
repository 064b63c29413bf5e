"""Losses that carry what a teacher knows over to a student, and what runs the two together."""

from nas.distillation.adapters import adapter_for, create_adapter, create_regressor
from nas.distillation.base import IGNORED_TARGET
from nas.distillation.distiller import DistillationStep, Distiller
from nas.distillation.losses import (
    LossInfo,
    LossOption,
    create_logit_loss,
    create_loss,
    describe,
    names,
)
from nas.distillation.places import find_path, shapes
from nas.distillation.taps import Taps
from nas.distillation.terms import TermSettings
from nas.distillation.weighting import default_weight, ratio_weight

__all__ = [
    "IGNORED_TARGET",
    "DistillationStep",
    "Distiller",
    "LossInfo",
    "LossOption",
    "Taps",
    "TermSettings",
    "adapter_for",
    "create_adapter",
    "create_logit_loss",
    "create_loss",
    "create_regressor",
    "default_weight",
    "describe",
    "find_path",
    "names",
    "ratio_weight",
    "shapes",
]
