"""The notation of the published code: `Genotype(normal=[...], normal_concat=range(2, 6), ...)`."""

from __future__ import annotations

import ast
from typing import Any

from search_spaces.genotype import GenotypeError

_KEYS = {"normal", "normal_concat", "reduce", "reduce_concat"}


def read_published(text: str, nodes: int) -> list[Any]:
    """The lists of the normal and of the reduction cell.

    Args:
        text: An expression in Python's notation, which is read and not run.
        nodes: Intermediate nodes of a cell.

    Raises:
        GenotypeError: If it is not such an expression, or does not concatenate all nodes.
    """
    found = {keyword.arg: keyword.value for keyword in _call(text).keywords}
    if set(found) != _KEYS:
        raise GenotypeError(f"a published genotype has {', '.join(sorted(_KEYS))} and no more.")
    for name in ("normal_concat", "reduce_concat"):
        if sorted(_numbers(found[name])) != list(range(2, nodes + 2)):
            raise GenotypeError(
                f"{name} must hold all nodes, 2 to {nodes + 1}, not {ast.unparse(found[name])}."
            )
    return [_literal(found[name]) for name in ("normal", "reduce")]


def _call(text: str) -> ast.Call:
    try:
        expression = ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise GenotypeError(f"a published genotype is one expression: {error}.") from error
    if not isinstance(expression, ast.Call) or expression.args:
        raise GenotypeError("a published genotype is Genotype(normal=..., reduce=..., ...).")
    return expression


def _numbers(node: ast.expr) -> list[int]:
    if isinstance(node, ast.Call) and ast.unparse(node.func) == "range" and not node.keywords:
        limits = [_literal(limit) for limit in node.args]
        # A longer one than any cell has would only cost memory.
        if 1 <= len(limits) <= 2 and all(type(n) is int and 0 <= n < 1000 for n in limits):
            return list(range(*limits))
    numbers = _literal(node)
    is_list = isinstance(numbers, (list, tuple)) and all(type(n) is int for n in numbers)
    return list(numbers) if is_list else []


def _literal(node: ast.expr) -> Any:
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, RecursionError) as error:
        text = ast.unparse(node)
        raise GenotypeError(f"a published genotype holds lists, and {text} is none.") from error
