"""Tiny trainings on the digits."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "nas" / "shared"))

from digit_runs import teacher, train

__all__ = ["teacher", "train"]
