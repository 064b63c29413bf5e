"""Tables for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.table import Table

from nas.evaluation.teacher import TeacherReport
from nas.pareto.candidates import Candidate
from nas.search.status import Status

_UNITS = {"params": "parameters", "latency": "latency (ms)", "flops": "FLOPs", "macs": "MACs"}


def front_table(front: Sequence[tuple[str, Candidate]], title: str) -> Table:
    """The candidates of a front, with the search that each comes from if there are several."""
    several = len({name for name, _ in front}) > 1
    table = Table(title=title, title_justify="left")
    if several:
        table.add_column("search")
    table.add_column("trial", justify="right")
    columns = list(dict.fromkeys(key for _, candidate in front for key in candidate.values))
    for column in columns:
        table.add_column(_UNITS.get(column, column.replace("_", " ")), justify="right")
    for name, candidate in front:
        cells = [figure(key, candidate.values.get(key)) for key in columns]
        table.add_row(*([name] if several else []), str(candidate.trial), *cells)
    return table


def status_table(status: Status) -> Table:
    """How a search is doing."""
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    complete = status.states.get("complete", 0)
    table.add_row("trials", f"{complete} of {status.asked} complete")
    for state, count in status.states.items():
        if state != "complete":
            table.add_row("", f"{count} {'failed' if state == 'fail' else state}")
    if status.best is not None and status.best.quality is not None:
        table.add_row("best quality", f"{status.best.quality:.4f} (trial {status.best.number})")
        table.add_row("", status.best.genotype)
    if status.seconds is not None:
        table.add_row("time per candidate", f"{status.seconds:.1f} s (median)")
    table.add_row("repeated candidates", f"{status.repeats:.0%}")
    for host, count in status.hosts.items():
        table.add_row("host", f"{host}: {count} complete")
    for reason, count in status.failures.items():
        table.add_row("failed", f"{count} x {reason}")
    return table


def teacher_table(report: TeacherReport) -> Table:
    """Scores of a teacher on the validation images, and the scale of its logits."""
    table = Table(title="Teacher, on the validation images", title_justify="left")
    table.add_column("class")
    table.add_column("F1", justify="right")
    for name, value in report.f1.items():
        table.add_row(name, _score(value))
    table.add_section()
    table.add_row("mean F1", _score(report.macro["f1"]))
    table.add_row("mean IoU", _score(report.macro["iou"]))
    table.add_row("chance (mean F1)", _score(report.chance))
    table.add_section()
    table.add_row("logits: shape", "x".join(map(str, report.logits_shape)))
    table.add_row("logits: mean, deviation", f"{report.logits_mean:.2f}, {report.logits_std:.2f}")
    return table


def retrain_table(metrics: Sequence[tuple[str, dict[str, Any]]]) -> Table:
    """Retrained networks, one in each row."""
    table = Table(title="Retrained networks", title_justify="left")
    table.add_column("network")
    for column in ("search", "validation", "test", "test mIoU", "parameters", "MACs", "latency ms"):
        table.add_column(column, justify="right")
    table.add_column("ONNX difference", justify="right")
    for name, values in metrics:
        search = values["search_quality"]
        table.add_row(
            name,
            "-" if search is None else f"{search:.4f}",
            f"{values['validation']['quality']:.4f}",
            f"{values['test']['quality']:.4f}",
            f"{values['test']['macro']['iou']:.4f}",
            figure("params", values["costs"]["params"]),
            figure("macs", values["costs"]["macs"]),
            f"{values['costs']['latency']:.2f}",
            f"{values['onnx']['largest_difference']:.1e}",
        )
    return table


def score_table(values: dict[str, Any], classes: Sequence[str]) -> Table:
    """Test scores of a network, by class and by group."""
    table = Table(title="Test scores", title_justify="left")
    table.add_column("class")
    for column in ("F1", "IoU", "accuracy"):
        table.add_column(column, justify="right")
    for name in classes:
        table.add_row(name, *(_score(values[m].get(name)) for m in ("f1", "iou", "accuracy")))
    table.add_section()
    macro = values["macro"]
    table.add_row("mean", *(_score(macro.get(m)) for m in ("f1", "iou", "accuracy")))
    for name, value in values["groups"].items():
        table.add_row(f"group {name}", _score(value), "", "")
    return table


def figure(name: str, value: float | None) -> str:
    """A figure with a unit prefix where it is a count, four decimals where it is a score."""
    if value is None:
        return "-"
    if name not in _UNITS:
        return f"{value:.4f}"
    for limit, suffix in ((1e9, " G"), (1e6, " M"), (1e3, " K")):
        if value >= limit:
            return f"{value / limit:.3g}{suffix}"
    return f"{value:.3g}"


def _score(value: float | None) -> str:
    return "-" if value is None or value != value else f"{value:.4f}"
