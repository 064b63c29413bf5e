"""Tiny trainings on the digits, and a few faces."""

from __future__ import annotations

from digit_runs import config, teacher, train
from small_faces import whole_faces

__all__ = ["config", "teacher", "train", "whole_faces"]
