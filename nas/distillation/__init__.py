"""Losses that carry what a teacher knows over to a student."""

from nas.distillation.losses import create_loss, names

__all__ = ["create_loss", "names"]
