"""Imports torchvision also where its compiled operators are missing."""

from __future__ import annotations

from nas.torchvision_operators import install

install()

import torchvision  # noqa: E402  the line above has to come first

__all__ = ["torchvision"]
