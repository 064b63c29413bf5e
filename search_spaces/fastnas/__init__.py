"""The FastNAS space of compact segmentation decoders (https://arxiv.org/abs/1810.10804)."""

from search_spaces.fastnas.space import FastNAS

__all__ = ["FastNAS"]
