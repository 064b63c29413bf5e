"""Tables of networks that learned together."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from nas.experiments.run import mean_and_spread
from nas.mutual_learning.anytime import Anytime
from nas.mutual_learning.trained import MutualSummary


def paths_table(summary: MutualSummary) -> Table:
    """Every path with its figure and costs, the best first."""
    table = Table(title=_title("Paths", summary), title_justify="left")
    table.add_column("path, first part first")
    for name in (_figure(summary), "parameters", "MACs"):
        table.add_column(name, justify="right")
    measured = [cost for cost in next(iter(summary.costs.values())) if "latency" in cost]
    for cost in measured:
        table.add_column(f"{cost} (ms)", justify="right")
    means = {name: mean_and_spread(values)[0] for name, values in summary.paths.items()}
    for name in sorted(means, key=lambda name: -means[name]):
        costs = summary.costs[name]
        cells = [f"{costs['params']:,.0f}", f"{costs['macs']:,.0f}"]
        cells += [f"{costs[cost]:.2f}" for cost in measured]
        table.add_row(name, _told(summary.paths[name]), *cells)
    return table


def ensembles_table(summary: MutualSummary) -> Table:
    """The ensembles of the networks and of all paths."""
    table = Table(title=_title("Ensembles", summary), title_justify="left")
    table.add_column("members, and the mean of what")
    table.add_column(_figure(summary), justify="right")
    for name, values in summary.ensembles.items():
        table.add_row(name, _told(values))
    return table


def exits_table(network: Anytime) -> Table:
    """Every exit of networks behind one file, the fastest first."""
    table = Table(title=f"Exits, {network.times.device}", title_justify="left")
    table.add_column("exit")
    for name in ("accuracy", "MACs", "ms, 99 % of calls", "temperature"):
        table.add_column(name, justify="right")
    for exit in sorted(network.description.exits, key=network.milliseconds):
        table.add_row(
            network.name(exit.path),
            f"{exit.accuracy:.4f}",
            f"{exit.macs:,.0f}",
            f"{network.milliseconds(exit):.2f}",
            f"{exit.temperature:.2f}",
        )
    return table


def _figure(summary: MutualSummary) -> str:
    return {"mean_iou": "mean IoU"}.get(summary.figure, summary.figure)


def _title(what: str, summary: MutualSummary) -> str:
    number = len(summary.seeds)
    return f"{what}, {summary.split} split" + (f", {number} seeds" if number > 1 else "")


def _told(values: Sequence[float]) -> str:
    mean, spread = mean_and_spread(list(values))
    return f"{mean:.4f}" if spread is None else f"{mean:.4f} ± {spread:.4f}"
