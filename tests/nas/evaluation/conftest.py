"""Searches on small tasks of both kinds."""

from __future__ import annotations

from digit_search import digit_evaluator, digits, plain_digits
from face_search import (
    cache,
    candidates,
    evaluate,
    genotypes,
    make_evaluator,
    make_settings,
    prepared,
    space,
)
from small_faces import faces, whole_faces

__all__ = [
    "cache",
    "candidates",
    "digit_evaluator",
    "digits",
    "evaluate",
    "faces",
    "genotypes",
    "make_evaluator",
    "make_settings",
    "plain_digits",
    "prepared",
    "space",
    "whole_faces",
]
