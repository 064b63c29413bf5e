"""Latencies for a terminal, and a picture of the layers that they come from."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from matplotlib.figure import Figure
from rich.table import Table

from latency.measuring.latency import Latency
from latency.predicting.calibration import LEVEL, Prediction
from latency.profiling.layers import LayerTime
from nas.evaluation.latency.calibration import Calibrated
from nas.pareto import figures
from nas.report.tables import figure

_ROW_INCHES = 0.19
_FRAME_INCHES = 0.9
_LONGEST = 44
"""Characters of a path that a picture has room for."""
_TITLE = 80
"""Characters of a line above a picture."""
_WHOLE = "(network)"
"""Name of the network itself among its layers."""


def latency_table(
    name: str,
    measured: Latency,
    idle_ms: float | None = None,
    predicted: Prediction | None = None,
    counts: tuple[int, int] | None = None,
) -> Table:
    """The latency of a network, how certain it is, and where it was measured.

    Args:
        name: Name of the network.
        measured: Its latency.
        idle_ms: Its latency on the idle device, if that is known.
        predicted: The predicted latency, if there is one.
        counts: Its parameters and multiply-accumulates, if they are known.
    """
    table = Table(title=name, title_justify="left", show_header=False)
    table.add_column("figure", no_wrap=True)
    table.add_column("value", overflow="fold")
    for label, text in _measured_rows(measured, idle_ms):
        table.add_row(label, text)
    if predicted is not None:
        table.add_section()
        ms = measured.median_ms if idle_ms is None else idle_ms
        for label, text in _predicted_rows(predicted, ms):
            table.add_row(label, text)
    table.add_section()
    for label, text in _place_rows(measured):
        table.add_row(label, text)
    if counts is not None:
        parameters, macs = counts
        table.add_row("parameters, MACs", f"{figure('params', parameters)}, {figure('macs', macs)}")
    return table


def calibration_table(found: Calibrated, family: str) -> Table:
    """What the calibration of a device found.

    Args:
        found: The calibrated device.
        family: Family of the networks that were measured.
    """
    overhead, slope, node = found.predictor.calibration(family).coefficients()
    table = Table(title="Calibrated", title_justify="left", show_header=False)
    table.add_column("figure", no_wrap=True)
    table.add_column("value", overflow="fold")
    table.add_row("device", found.predictor.device.key)
    table.add_row("networks", family)
    table.add_row("operators timed", f"{found.operators}")
    table.add_row("networks measured", f"{found.networks}{_noisy(found)}")
    table.add_row(
        "latency",
        f"{overhead:.3f} ms + {slope:.3f} x its operators {node * 1000:+.1f} µs x their nodes",
    )
    table.add_row("usual error", f"{found.error:.1%}")
    table.add_row("file", str(found.path))
    return table


def layers_table(measured: Sequence[LayerTime], predicted: Sequence[LayerTime], rows: int) -> Table:
    """The time of every layer.

    Args:
        measured: The layers, the slowest first.
        predicted: The predicted times of the same layers, in any order; if empty, the column is
            left out.
        rows: Number of layers with a row of their own; the others share one.
    """
    table = Table(title="Where the time goes", title_justify="left")
    table.add_column("layer", overflow="fold")
    table.add_column("computes", overflow="fold")
    for column in ("MACs", "ms", "share", *(["predicted"] if predicted else [])):
        table.add_column(column, justify="right", no_wrap=True)
    known = {layer.path: layer.ms for layer in predicted}
    total = sum(layer.ms for layer in measured)
    for layer in measured[:rows]:
        table.add_row(*_layer_row(layer, total, known))
    others = measured[rows:]
    if others:
        table.add_section()
        table.add_row(*_others_row(others, total, known))
    return table


def plot_layers(
    name: str, measured: Sequence[LayerTime], predicted: Sequence[LayerTime], bars: int
) -> Figure:
    """Draws the times of the slowest layers, measured and predicted.

    Args:
        name: Name of the network.
        measured: The layers, the slowest first.
        predicted: The predicted times of the same layers; if empty, their bars are left out.
        bars: Number of layers that are drawn.

    Returns:
        A figure 5 inches wide.
    """
    shown = measured[:bars]
    known = {layer.path: layer.ms for layer in predicted}
    series = {"measured": [layer.ms for layer in shown]}
    if predicted:
        series["predicted"] = [known.get(layer.path, 0.0) for layer in shown]
    with figures.paper_style():
        picture = figures.new_figure(_FRAME_INCHES + _ROW_INCHES * len(shown))
        axes = picture.add_subplot()
        height = 0.8 / len(series)
        for number, (label, values) in enumerate(series.items()):
            offset = (number - (len(series) - 1) / 2) * height
            places = [row + offset for row in range(len(shown))]
            axes.barh(places, values, height, color=figures.PALETTE[number], label=label)
        axes.set_yticks(range(len(shown)), [_short(layer.path) for layer in shown])
        axes.invert_yaxis()
        axes.grid(axis="y", visible=False)
        axes.set_xlabel("milliseconds")
        rest = sum(layer.ms for layer in measured[bars:])
        title = f"{figures.shown(name)}: {sum(layer.ms for layer in measured):.2f} ms"
        if rest:
            others = len(measured) - bars
            title += f", {rest:.2f} ms of them in {others} other layer{'s' if others > 1 else ''}"
        picture.suptitle(textwrap.fill(title, _TITLE), fontsize=9)
        if len(series) > 1:
            axes.legend(loc="lower right")
    return picture


def _measured_rows(measured: Latency, idle_ms: float | None) -> list[tuple[str, str]]:
    noise = "busy" if measured.noisy else "quiet"
    rows = [
        ("latency", f"{measured.median_ms:.2f} ms, the median of {measured.runs} runs"),
        ("95 % interval", f"{measured.low_ms:.2f} to {measured.high_ms:.2f} ms"),
        ("shortest, 90th", f"{measured.min_ms:.2f} ms, {measured.p90_ms:.2f} ms"),
        ("machine", f"{noise}: {measured.noise}"),
    ]
    if idle_ms is not None:
        rows.insert(3, ("when it is idle", f"{idle_ms:.2f} ms, by the reference network"))
    return rows


def _predicted_rows(predicted: Prediction, measured_ms: float) -> list[tuple[str, str]]:
    off = predicted.ms / measured_ms - 1
    rows = [
        ("predicted", f"{predicted.ms:.2f} ms, {off:+.1%} of the measured"),
        (f"{LEVEL:.0%} interval", f"{predicted.low_ms:.2f} to {predicted.high_ms:.2f} ms"),
    ]
    if predicted.guessed:
        rows.append(("of it guessed", f"{predicted.guessed:.0%}: operators never timed here"))
    return rows


def _place_rows(measured: Latency) -> list[tuple[str, str]]:
    device = measured.device
    on_torch = device.engine.startswith(("torch", "cuda"))
    version = f"torch {device.torch}" if on_torch else f"onnxruntime {device.onnxruntime}"
    version = f"version {device.runtime}" if device.runtime else version
    clock = {"thread": "processor time", "wall": "wall time", "cuda": "the GPU's events"}
    return [
        ("device", f"{device.model}, threads: {device.threads}, {device.precision}"),
        ("engine", f"{device.engine} ({measured.provider}, {version})"),
        ("clock", clock[measured.clock]),
        ("input", "x".join(map(str, measured.input_shape))),
    ]


def _noisy(found: Calibrated) -> str:
    if not found.noisy:
        return ""
    return f", {found.noisy} of them on a busy machine: calibrate again when it is idle"


def _layer_row(layer: LayerTime, total: float, known: dict[str, float]) -> list[str]:
    row = [
        layer.path or _WHOLE,
        layer.kind,
        figure("macs", layer.macs) if layer.macs else "-",
        f"{layer.ms:.3f}",
        f"{layer.ms / total:.1%}",
    ]
    if known:
        row.append(f"{known[layer.path]:.3f}" if layer.path in known else "-")
    return row


def _others_row(others: Sequence[LayerTime], total: float, known: dict[str, float]) -> list[str]:
    together = LayerTime(
        path=f"{len(others)} others",
        kind="",
        macs=sum(layer.macs or 0 for layer in others),
        ms=sum(layer.ms for layer in others),
    )
    sums = {together.path: sum(known.get(layer.path, 0.0) for layer in others)} if known else {}
    return _layer_row(together, total, sums)


def _short(path: str) -> str:
    text = path or _WHOLE
    return text if len(text) <= _LONGEST else f"…{text[-_LONGEST + 1 :]}"
