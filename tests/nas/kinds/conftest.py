"""Small tasks of both kinds, and searches on them."""

from __future__ import annotations

from corners import corners, make_net
from digit_runs import teacher, train
from digit_search import digit_cache, digit_evaluator, digits, plain_digits, taught_digits
from face_search import (
    cache,
    candidates,
    evaluate,
    genotypes,
    make_evaluator,
    make_settings,
    prepared,
    space,
    taught,
    teacher_file,
    teacher_settings,
)
from small_faces import faces, make_network, whole_faces

__all__ = [
    "cache",
    "candidates",
    "corners",
    "digit_cache",
    "digit_evaluator",
    "digits",
    "evaluate",
    "faces",
    "genotypes",
    "make_evaluator",
    "make_net",
    "make_network",
    "make_settings",
    "plain_digits",
    "prepared",
    "space",
    "taught",
    "taught_digits",
    "teacher",
    "teacher_file",
    "teacher_settings",
    "train",
    "whole_faces",
]
