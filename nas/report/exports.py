"""Files of exported networks, for a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from rich.table import Table

from latency.devices.identity import FLOAT32, INT8
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


def int8_records(
    record: Mapping[str, Any], files: Iterable[Mapping[str, Any]]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """The int8 versions in other formats than ONNX, as `nas.report.retraining.int8_table` takes it.

    Args:
        record: That of the ONNX file, with the scores of the float32 network.
        files: What is known of every file; that of an int8 version follows its float32 file.

    Yields:
        The title of the format, and the record.
    """
    before: Mapping[str, Any] = {}
    for facts in files:
        if "scores" in facts:
            pair = {
                kind: {key: one[key] for key in ("latency", "size")}
                for kind, one in ((FLOAT32, before), (INT8, facts))
            }
            yield before["title"], {**record, INT8: {**facts["scores"], **pair}}
        before = facts
