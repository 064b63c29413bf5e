"""The NAS-Bench-201 space of classification cells (https://arxiv.org/abs/2001.00326)."""

from search_spaces.nasbench201.space import NASBench201

__all__ = ["NASBench201"]
