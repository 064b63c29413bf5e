"""The template space of segmentation decoders (https://arxiv.org/abs/1904.02365)."""

from search_spaces.template.space import Template

__all__ = ["Template"]
