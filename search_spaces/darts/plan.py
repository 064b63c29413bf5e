"""What the cells of a DARTS network compute, without what cannot contribute to its logits.

A node of two `none` is zero: it is not concatenated, and whatever reads it alone is not built. What
is zero in one cell can make others zero, and a cell whose output no later one reads is not built
either, so each position of the network has a plan of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from search_spaces.cells.plan import ZERO, CellPlan, Planner, add
from search_spaces.darts.form import Cell, Form
from search_spaces.darts.sizes import Sizes


class PlannedPosition(NamedTuple):
    """A cell that is built.

    Attributes:
        number: Its number among all cells, from 0; it reads the cells `number - 2` and
            `number - 1`, where -2 and -1 are the maps of the stem.
        plan: What it computes; input 0 is the older one.
    """

    number: int
    plan: CellPlan

    @property
    def read(self) -> tuple[int, ...]:
        """Numbers of the cells that it uses."""
        return tuple(self.number - 2 + source for source in self.plan.used_inputs)


NetworkPlan = tuple[PlannedPosition, ...]


def make_plan(form: Form, sizes: Sizes) -> NetworkPlan:
    """Plans every cell; without any, the last map of the network is zero."""
    positions = _nonzero(form, sizes)
    needed = {sizes.layers - 1}
    for position in reversed(positions):
        if position.number in needed:
            needed.update(position.read)
    return tuple(position for position in positions if position.number in needed)


@lru_cache(maxsize=4096)
def plan_cell(cell: Cell, reduces: bool, inputs: tuple[bool, bool]) -> CellPlan:
    """Plans a cell.

    Args:
        cell: Its nodes.
        reduces: Whether the operations on its inputs have stride 2.
        inputs: Whether each input is anything but zero.
    """
    planner = Planner(inputs=2)
    values = [planner.input(k) if is_given else ZERO for k, is_given in enumerate(inputs)]
    for number, node in enumerate(cell, 1):
        branches = [
            planner.apply(
                f"node{number}_op{k}", word, values[source], 2 if reduces and source < 2 else 1
            )
            for k, (word, source) in enumerate(node, 1)
        ]
        values.append(add(*branches))
    return planner.plan(values[2:])


def _nonzero(form: Form, sizes: Sizes) -> Sequence[PlannedPosition]:
    """The cells whose output is anything but zero, if the last one is among them."""
    positions = []
    given = {-2, -1}
    for number in range(sizes.layers):
        reduces = sizes.is_reduction(number)
        cell = form.reduction if reduces else form.normal
        plan = plan_cell(cell, reduces, (number - 2 in given, number - 1 in given))
        if plan.outputs:
            given.add(number)
            positions.append(PlannedPosition(number, plan))
    return positions if sizes.layers - 1 in given else ()
