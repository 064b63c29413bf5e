"""A mobile candidate as a graph."""

from __future__ import annotations

from search_spaces.graph import Edge, Graph
from search_spaces.mobile.plan import Block


def make_graph(plan: tuple[tuple[Block, ...], ...]) -> Graph:
    """A chain of blocks; an arrow into a block says what the block is.

    A second arrow, labelled `residual`, is the input that is added to a block's output.
    """
    names = ["first"]
    edges = []
    for number, stage in enumerate(plan, 1):
        for index, block in enumerate(stage, 1):
            name = f"stage{number}.block{index}"
            edges.append(Edge(names[-1], name, _label(block)))
            if block.is_residual:
                edges.append(Edge(names[-1], name, "residual"))
            names.append(name)
    chain = [Edge("image", "stem"), Edge("stem", "first"), *edges, Edge(names[-1], "head")]
    return Graph(("image", "stem", *names, "head", "logits"), (*chain, Edge("head", "logits")))


def _label(block: Block) -> str:
    parts = [f"{block.kernel}×{block.kernel}", f"{block.expanded} to {block.outputs} channels"]
    if block.stride == 2:
        parts.append("stride 2")
    if block.squeezed:
        parts.append("squeeze-and-excitation")
    return ", ".join(parts)
