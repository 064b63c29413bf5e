"""Files of exported networks, for a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rich.table import Table

from latency.units import BYTES


def exports_table(files: Iterable[Mapping[str, Any]]) -> Table:
    """Each file of a network: its size, how well it agrees with PyTorch, how long it takes.

    Args:
        files: What `nas.deployment.formats.export_formats` tells of them.
    """
    table = Table(title="Exported files", title_justify="left")
    table.add_column("file", overflow="fold")
    for column in ("size", "difference", "tolerance", "CPU, median"):
        table.add_column(column, justify="right", no_wrap=True)
    for facts in files:
        difference, measured = facts["largest_difference"], facts["latency"]
        table.add_row(
            facts["files"][0],
            BYTES.write(facts["size"]),
            "–" if difference is None else f"{difference:.1e}",
            "–" if difference is None else f"{facts['tolerance']:g}",
            "–" if measured is None else f"{measured['median_ms']:.2f} ms",
        )
    return table
