"""A table of int8 networks over seeds: float32, int8, and int8 after fine-tuning.

    python scripts/int8_table.py runs/photos/retrain/*/model.json

Each file is a record of ``nas export --int8 --qat``.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from latency.measuring.latency import Latency
from nas.experiments.run import mean_and_spread
from nas.files import read_json

METRICS = {"iou": "mean IoU", "top1": "accuracy"}


def main() -> None:
    """Prints the table of the records that are named."""
    records = [read_json(Path(name)) for name in sys.argv[1:]]
    if not records or not all("before_tuning" in one.get("int8", {}) for one in records):
        sys.exit(
            "give records of nas export --int8 --qat, such as runs/photos/retrain/*/model.json"
        )
    metric = next(name for name in METRICS if name in records[0]["test"]["macro"])
    table = Table(title=f"{METRICS[metric]} over {len(records)} networks", title_justify="left")
    for column in ("", "float32", "int8", "int8, fine-tuned", "largest loss of that"):
        table.add_column(column, justify="right" if column else "left")
    for split in ("validation", "test"):
        versions = [
            [
                version[split]["macro"][metric]
                for version in (one, one["int8"]["before_tuning"], one["int8"])
            ]
            for one in records
        ]
        cells = [_told([version[place] for version in versions]) for place in range(3)]
        table.add_row(split, *cells, f"{max(one[0] - one[2] for one in versions):+.4f}")
    for label, tell in (("latency, ms", _latency), ("file, MB", _size)):
        before, after = (
            _told([tell(one["int8"][kind]) for one in records], 2) for kind in ("float32", "int8")
        )
        table.add_row(label, before, "", after, "")
    Console().print(table)


def _latency(version: dict[str, Any]) -> float:
    """Milliseconds."""
    return Latency.from_dict(version["latency"]).median_ms


def _size(version: dict[str, Any]) -> float:
    """Megabytes."""
    return float(version["size"]) / 1e6


def _told(values: list[float], digits: int = 4) -> str:
    mean, spread = mean_and_spread(values)
    return f"{mean:.{digits}f}" + (f" ± {spread:.{digits}f}" if spread is not None else "")


if __name__ == "__main__":
    main()
