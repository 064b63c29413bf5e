"""Losses that carry what a teacher knows over to a student."""

from nas.distillation.losses import (
    LossInfo,
    LossOption,
    create_logit_loss,
    create_loss,
    describe,
    names,
)

__all__ = ["LossInfo", "LossOption", "create_logit_loss", "create_loss", "describe", "names"]
