"""Optuna samplers that decide which candidate to try next."""

from __future__ import annotations

from nas.controllers.learner import Draw, Learner, Lesson
from nas.controllers.registry import address, create, is_importable, names, register, resolve

__all__ = [
    "Draw",
    "Learner",
    "Lesson",
    "address",
    "create",
    "is_importable",
    "names",
    "register",
    "resolve",
]
