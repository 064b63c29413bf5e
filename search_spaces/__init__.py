"""Search spaces: decisions, genotypes and the networks that they describe.

Importing this package, and everything in a space but `build`, does without torch.
"""

from search_spaces.decision import Decision
from search_spaces.genotype import Genotype, GenotypeError
from search_spaces.graph import Edge, Graph
from search_spaces.registry import create, names, presets
from search_spaces.space import SearchSpace, SpaceError

__all__ = [
    "Decision",
    "Edge",
    "Genotype",
    "GenotypeError",
    "Graph",
    "SearchSpace",
    "SpaceError",
    "create",
    "names",
    "presets",
]
