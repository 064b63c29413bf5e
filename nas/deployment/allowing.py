"""Allows what a run or a network file of somebody else names."""

from __future__ import annotations

from pathlib import Path

from nas import allowed
from nas.kinds.network_file import allow_code_of
from nas.models.weights import network_file, read_described
from nas.mutual_learning.anytime import allow_anytime
from nas.searching.run_folder import RunFolder
from nas.searching.storage import without_password


def allow_place(place: Path) -> list[str]:
    """Allows the database that a run names, or the code that a network file names.

    Args:
        place: A run folder, the file or folder of a network, or a file of networks with exits.

    Returns:
        What is allowed from now on.

    Raises:
        UserError: If it is neither.
    """
    if not (place / "run.json").is_file():
        file = network_file(place)
        has_exits = "exits" in read_described(file)
        return allow_anytime(file) if has_exits else allow_code_of(file)
    storage = RunFolder.open(place).config().storage
    names = [] if storage is None else [without_password(storage)]
    allowed.allow(names)
    return names
