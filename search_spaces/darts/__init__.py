"""The DARTS space of classification cells (https://arxiv.org/abs/1806.09055)."""

from search_spaces.darts.space import DARTS

__all__ = ["DARTS"]
