"""Figures of networks that were retrained or exported, for a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from rich.table import Table

from latency.costs import heading
from latency.measuring.latency import Latency
from latency.units import BYTES
from nas.report.tables import figure

_HEADLINES = {"iou": "mean IoU", "top1": "accuracy"}
"""The metric that a network of each kind of task is usually judged by."""
_SHORT = {"iou": "mIoU", "top1": "accuracy"}
_SPLITS = ("validation", "test")


def network_table(name: str, metrics: Mapping[str, Any]) -> Table:
    """All figures of one retrained network."""
    table = Table(title=f"Retrained network {name}", title_justify="left", show_header=False)
    table.add_column("figure", no_wrap=True)
    table.add_column("value", overflow="fold")
    table.add_row("quality in the search", _score(metrics["search_quality"]))
    options = metrics.get("task_options", {})
    if options:
        changed = ", ".join(f"{key}={value}" for key, value in options.items())
        table.add_row("retrained with", f"{changed}, unlike the search")
    table.add_row("quality on validation", _score(metrics["validation"]["quality"]))
    table.add_row("quality on test", _score(metrics["test"]["quality"]))
    headline = _headline(metrics)
    table.add_row(f"{_HEADLINES[headline]} on test", _score(metrics["test"]["macro"][headline]))
    own = metrics["test"].get("own_size")
    if own is not None:
        table.add_row("  at the images' own size", _score(own["macro"][headline]))
    table.add_section()
    for cost in ("params", "macs", "flops"):
        table.add_row(heading(cost), figure(cost, metrics["costs"][cost]))
    for row in _latency_rows(Latency.from_dict(metrics["latency"])):
        table.add_row(*row)
    table.add_section()
    table.add_row("best epoch", f"{metrics['best_epoch']} of {metrics['epochs']}")
    table.add_row("ONNX, largest difference", f"{metrics['onnx']['largest_difference']:.1e}")
    return table


def networks_table(networks: Sequence[tuple[str, Mapping[str, Any]]]) -> Table:
    """Several retrained networks, one in each row."""
    table = Table(title="Quality of the retrained networks", title_justify="left")
    table.add_column("network", overflow="fold")
    headline = _headline(networks[0][1])
    for column in (
        *("search", "validation", "test", f"{_SHORT[headline]}\n(test)", "params", "MACs", "ms"),
    ):
        table.add_column(column, justify="right", no_wrap=True)
    for name, metrics in networks:
        table.add_row(
            name,
            _score(comparable_search_quality(metrics)),
            _score(metrics["validation"]["quality"]),
            _score(metrics["test"]["quality"]),
            _score(metrics["test"]["macro"][headline]),
            figure("params", metrics["costs"]["params"]),
            figure("macs", metrics["costs"]["macs"]),
            f"{metrics['costs']['latency']:.2f}",
        )
    return table


def comparable_search_quality(metrics: Mapping[str, Any]) -> float | None:
    """The score in the search, or None where the network was retrained on another task than that.

    Images of another size, for example, give other scores.
    """
    found: float | None = metrics.get("search_quality")
    return None if metrics.get("task_options") else found


def int8_table(name: str, metrics: Mapping[str, Any]) -> Table:
    """The int8 version of a network beside the float32 one.

    Args:
        name: Name of the network.
        metrics: Its scores by split, and ``int8``: those of the int8 version, before and after its
            fine-tuning if it had one, and of both files the latency on the CPU and the size.
    """
    found = metrics["int8"]
    tuned = "before_tuning" in found
    table = Table(title=f"Int8 version of {name}", title_justify="left")
    columns = ("", "float32", "int8", "change")
    for column in (*columns[:2], *(("untuned",) if tuned else ()), *columns[2:]):
        table.add_column(column, justify="right" if column else "left", no_wrap=True)
    rows = _score_pairs(metrics, found)
    untuned = [one for _, _, one in _score_pairs(metrics, found["before_tuning"])] if tuned else []
    for index, (label, before, after) in enumerate(rows):
        if before is not None and after is not None:
            between = [_score(untuned[index])] if tuned else []
            table.add_row(label, _score(before), *between, _score(after), f"{after - before:+.4f}")
    table.add_section()
    pair = [Latency.from_dict(found[kind]["latency"]) for kind in ("float32", "int8")]
    before_ms, after_ms = (measured.median_ms for measured in pair)
    table.add_row(
        "latency on the CPU",
        *_with_gap((f"{measured.median_ms:.2f} ms" for measured in pair), tuned),
        f"{before_ms / after_ms:.2f} x faster"
        if after_ms <= before_ms
        else f"{after_ms / before_ms:.2f} x slower",
    )
    table.add_row("95 % interval", *_with_gap(map(_interval, pair), tuned), "")
    sizes = [found[kind]["size"] for kind in ("float32", "int8")]
    files = _with_gap(map(BYTES.write, sizes), tuned)
    table.add_row("file", *files, f"{sizes[1] / sizes[0] - 1:+.0%}")
    return table


def export_table(record: Mapping[str, Any]) -> Table:
    """Input and output of an exported file, and how well it agrees with PyTorch."""
    table = Table(title="Exported network", title_justify="left", show_header=False)
    table.add_column("figure", no_wrap=True)
    table.add_column("value", overflow="fold")
    onnx, given = record["onnx"], record["input"]
    shape = ["N" if onnx["dynamic_batch"] else 1, *given["shape"][1:]]
    table.add_row("input", f"image: {'x'.join(map(str, shape))}, float32")
    table.add_row("channels", "red, green, blue as (value / 255 - mean) / deviation")
    table.add_row("mean", ", ".join(f"{value:.4g}" for value in given["mean"]))
    table.add_row("deviation", ", ".join(f"{value:.4g}" for value in given["std"]))
    table.add_row("output", f"logits of {len(record['classes'])} classes")
    table.add_section()
    table.add_row("opset", str(onnx["opset"]))
    table.add_row("largest difference", f"{onnx['largest_difference']:.1e} from PyTorch's")
    table.add_row("file", BYTES.write(record["size"]))
    return table


def remarks(metrics: Mapping[str, Any]) -> list[str]:
    """Sentences on measurements elsewhere or on a busy machine, and on a fine-tuning in vain."""
    sentences = list(metrics.get("notes", ()))
    tuning = metrics.get("int8", {}).get("fine_tuning")
    if tuning is not None and tuning["best_epoch"] == 0:
        sentences.append(
            "no epoch of the fine-tuning was better on validation than the int8 version before it, "
            "which stays: try more epochs, or another --set training.learning_rate."
        )
    records = [metrics.get("latency"), *_int8_latencies(metrics)]
    if any(record is not None and record["noisy"] for record in records):
        sentences.append(
            "the machine was busy in every attempt, so a latency is noisy: measure again with "
            "nas latency when it is idle."
        )
    return sentences


def _with_gap(pair: Iterable[str], gap: bool) -> tuple[str, ...]:
    """Texts of two columns, with an empty one between them where there is a third column."""
    before, after = pair
    return (before, "", after) if gap else (before, after)


def _int8_latencies(metrics: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    found = metrics.get("int8", {})
    return (found[kind]["latency"] for kind in ("float32", "int8") if kind in found)


def _score_pairs(
    before: Mapping[str, Any], after: Mapping[str, Any]
) -> Iterator[tuple[str, float | None, float | None]]:
    headline = _headline(before)
    for split in _SPLITS:
        yield f"quality on {split}", before[split]["quality"], after[split]["quality"]
    for metric, label in ((headline, _HEADLINES[headline]), ("f1", "mean F1")):
        for split in _SPLITS:
            pair = (scores[split]["macro"][metric] for scores in (before, after))
            yield f"{label} on {split}", *pair


def _latency_rows(measured: Latency) -> Iterator[tuple[str, str]]:
    device = measured.device
    yield "latency, median", f"{measured.median_ms:.2f} ms"
    yield "95 % interval", _interval(measured)
    yield "machine", f"{'busy' if measured.noisy else 'quiet'}: {measured.noise}"
    yield "engine", f"onnxruntime {device.onnxruntime}, {measured.provider}"
    yield "measured on", f"{device.model}, threads: {device.threads}"


def _interval(measured: Latency) -> str:
    return f"{measured.low_ms:.2f} to {measured.high_ms:.2f} ms"


def _score(value: float | None) -> str:
    return figure("quality", value)


def _headline(metrics: Mapping[str, Any]) -> str:
    return next(name for name in _HEADLINES if name in metrics["test"]["macro"])
