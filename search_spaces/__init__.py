"""Search spaces: decisions, genotypes and the networks that they describe.

Importing this package, and everything in a space but `build`, does without torch.
"""

from search_spaces.decision import Decision
from search_spaces.genotype import Genotype, GenotypeError
from search_spaces.graph import Edge, Graph
from search_spaces.registry import (
    address,
    chooses_encoder,
    create,
    is_importable,
    kind,
    names,
    presets,
    register,
    starting_options,
)
from search_spaces.space import (
    ClassifierSpace,
    DecoderSpace,
    EncoderCut,
    Kind,
    SearchSpace,
    SpaceError,
)

__all__ = [
    "ClassifierSpace",
    "Decision",
    "DecoderSpace",
    "Edge",
    "EncoderCut",
    "Genotype",
    "GenotypeError",
    "Graph",
    "Kind",
    "SearchSpace",
    "SpaceError",
    "address",
    "chooses_encoder",
    "create",
    "is_importable",
    "kind",
    "names",
    "presets",
    "register",
    "starting_options",
]
