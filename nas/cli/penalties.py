"""Penalties that are typed on the command line."""

from __future__ import annotations

from typing import Any

from nas.cli.values import given
from nas.errors import UserError


def penalties(
    names: list[str] | None, exponent: float | None, base: float | None
) -> list[dict[str, Any]] | None:
    """Values of `PenaltySettings`, none for "none", or None where no penalty was typed.

    Args:
        names: Costs, several may stand in one text, separated by commas.
        exponent: Of all of them.
        base: Of the only one.

    Raises:
        UserError: If they do not go together.
    """
    if names is None:
        if exponent is not None or base is not None:
            raise UserError("--exponent and --base need a --penalty to belong to.")
        return None
    names = [part for name in names for part in name.split(",")]
    if "none" in names:
        if len(names) > 1 or exponent is not None or base is not None:
            raise UserError("--penalty none goes with no other penalty, exponent or base.")
        return []
    if base is not None and len(names) > 1:
        raise UserError("--base fits a single penalty; give several in a YAML file (--config).")
    return [given({"cost": name, "exponent": exponent, "base": base}) for name in names]
