"""``nas trust``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def trust(
    place: Annotated[Path, typer.Argument(help="Run folder, or a network's file or folder.")],
) -> None:
    """Allow the database or the code that a run or network of somebody else names."""
    from nas.deployment.trust import trust_place
    from nas.terminal import say

    names = trust_place(place)
    for name in names:
        say(f"trusted: {name}")
    if not names:
        say(f"{place} names nothing that has to be trusted.")
