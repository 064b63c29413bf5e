"""Classifiers of inverted-residual stages, after MnasNet (https://arxiv.org/abs/1807.11626)."""

from search_spaces.mobile.space import Mobile

__all__ = ["Mobile"]
