"""The pyramid space of small segmentation decoders (after https://arxiv.org/abs/1612.03144)."""

from search_spaces.pyramid.space import Pyramid

__all__ = ["Pyramid"]
