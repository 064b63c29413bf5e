from __future__ import annotations

import copy
import io
from typing import Any

from rich.console import Console
from rich.table import Table

from latency.devices.identity import DeviceIdentity
from latency.measuring.latency import Latency
from latency.measuring.noise import Noise
from nas.report.retraining import (
    export_table,
    int8_table,
    network_table,
    networks_table,
    remarks,
)

SCORES = {
    "quality": 0.5,
    "macro": {"f1": 0.4, "iou": 0.3, "accuracy": 0.6},
    "groups": {"eyes": 0.7},
}


def measured(ms: float, unrest: float = 0.01) -> dict[str, Any]:
    device = DeviceIdentity("cpu", "A processor", 4, 1, "Linux", "host", "1.9", "2.5")
    return Latency(
        **{"min_ms": ms - 1, "median_ms": ms, "p90_ms": ms + 2, "wall_ms": ms},
        **{"low_ms": ms - 0.5, "high_ms": ms + 0.5, "normalised_ms": ms, "ratio": ms},
        **{"reference_ms": 1.0, "reference_median_ms": 1.0, "ratio_interval": 0.01},
        **{"runs": 30, "repeats": 1},
        **{"warmup_runs": 10, "attempts": 1, "clock": "thread", "clock_mhz": None},
        noise=Noise(0.01, -0.02, unrest),
        provider="CPUExecutionProvider",
        device=device,
        input_shape=(1, 3, 32, 32),
    ).to_dict()


METRICS: dict[str, Any] = {
    "search_quality": 0.45,
    "validation": SCORES,
    "test": SCORES | {"quality": None},
    "costs": {"params": 3_456_789, "macs": 312_345_678, "flops": 624_691_356, "latency": 12.345},
    "latency": measured(12.345),
    "onnx": {"largest_difference": 1.2e-6, "opset": 17, "dynamic_batch": True},
    "epochs": 40,
    "best_epoch": 37,
}


def _lines(table: Table, width: int = 80) -> list[str]:
    console = Console(file=io.StringIO(), width=width)
    console.print(table)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def _rows(table: Table, width: int = 200) -> list[list[str]]:
    lines = (line for line in _lines(table, width) if line.startswith("│"))
    return [[cell.strip() for cell in line[1:-1].split("│")] for line in lines]


def with_int8(ms: float = 6.1725) -> dict[str, Any]:
    metrics = copy.deepcopy(METRICS)
    scores = {split: copy.deepcopy(metrics[split]) for split in ("validation", "test")}
    scores["test"]["macro"]["iou"] = 0.28
    metrics["int8"] = {
        **scores,
        "float32": {"latency": measured(12.345), "size": 4_000_000},
        "int8": {"latency": measured(ms), "size": 1_000_000},
    }
    return metrics


def test_one_retrained_network_is_shown_in_full() -> None:
    assert _rows(network_table("trial-7", METRICS)) == [
        *(["quality in the search", "0.4500"], ["quality on validation", "0.5000"]),
        *(["quality on test", "-"], ["mean IoU on test", "0.3000"], ["parameters", "3.46 M"]),
        *(["MACs", "312 M"], ["FLOPs", "625 M"], ["latency, median", "12.35 ms"]),
        ["95 % interval", "11.85 to 12.85 ms"],
        [
            "machine",
            "quiet: the median is known to ±1.0%, the reference network drifted by -2.0% and ran "
            "1.0% above its quiet level",
        ],
        ["engine", "onnxruntime 1.9, CPUExecutionProvider"],
        *(["measured on", "A processor, threads: 1"], ["best epoch", "37 of 40"]),
        ["ONNX, largest difference", "1.2e-06"],
    ]


def test_several_retrained_networks_fit_a_terminal() -> None:
    names = ["trial-7", "genotype-2-0-1-3-4-1-0-5-6-7-8"]
    table = networks_table([(name, METRICS) for name in names])
    lines = _lines(table)
    assert max(map(len, lines)) <= 80 and not any("…" in line for line in lines)
    rows = _rows(table, 80)
    assert rows[0] == [*("trial-7", "0.4500", "0.5000", "-", "0.3000", "3.46 M", "312 M", "12.35")]
    assert "".join(row[0] for row in rows[1:]) == names[1]


def test_scores_on_other_images_than_the_search_had_are_not_shown_beside_its_own() -> None:
    larger = METRICS | {"task_options": {"input_size": [360, 480]}}
    one, two = _rows(network_table("trial-7", larger))[:2]
    assert one == ["quality in the search", "0.4500"]
    assert two == ["retrained with", "input_size=[360, 480], unlike the search"]
    rows = _rows(networks_table([("trial-7", larger), ("trial-8", METRICS)]), 80)
    assert [row[1:3] for row in rows] == [["-", "0.5000"], ["0.4500", "0.5000"]]


def test_int8_is_shown_beside_float32() -> None:
    table = int8_table("trial-7", with_int8())
    assert max(map(len, _lines(table))) <= 80
    assert _rows(table) == [
        ["quality on validation", "0.5000", "0.5000", "+0.0000"],
        ["mean IoU on validation", "0.3000", "0.3000", "+0.0000"],
        ["mean IoU on test", "0.3000", "0.2800", "-0.0200"],
        ["mean F1 on validation", "0.4000", "0.4000", "+0.0000"],
        ["mean F1 on test", "0.4000", "0.4000", "+0.0000"],
        ["latency on the CPU", "12.35 ms", "6.17 ms", "2.00 x faster"],
        ["95 % interval", "11.85 to 12.85 ms", "5.67 to 6.67 ms", ""],
        ["file", "4 MB", "1 MB", "-75%"],
    ]


def test_a_slower_int8_version_is_called_that() -> None:
    row = next(row for row in _rows(int8_table("a", with_int8(24.69))) if "latency" in row[0])
    assert row[-1] == "2.00 x slower"


def test_a_noisy_measurement_is_told_of_once() -> None:
    assert remarks(METRICS) == remarks(with_int8()) == []
    noisy = with_int8()
    noisy["int8"]["int8"]["latency"] = measured(6.0, unrest=0.3)
    noisy["latency"] = measured(6.0, unrest=0.3)
    (sentence,) = remarks(noisy)
    assert sentence.startswith("the machine was busy")
    assert remarks(METRICS | {"int8": {"failed": "why."}}) == []


def test_a_measurement_elsewhere_is_told_of() -> None:
    assert remarks(METRICS | {"notes": ["measured on the CPU."]}) == ["measured on the CPU."]


def test_an_exported_file_says_what_it_takes_and_gives() -> None:
    record = {
        "onnx": METRICS["onnx"],
        "input": {"shape": [1, 3, 32, 48], "mean": [0.5, 0.25, 0.1], "std": [0.2, 0.2, 0.1]},
        "classes": ["ground", "leaf"],
        "size": 523_000,
    }
    assert _rows(export_table(record)) == [
        ["input", "image: Nx3x32x48, float32"],
        ["channels", "red, green, blue as (value / 255 - mean) / deviation"],
        *(["mean", "0.5, 0.25, 0.1"], ["deviation", "0.2, 0.2, 0.1"]),
        *(["output", "logits of 2 classes"], ["opset", "17"]),
        *(["largest difference", "1.2e-06 from PyTorch's"], ["file", "523 kB"]),
    ]


def test_a_fine_tuning_in_vain_is_told() -> None:
    tuned = {"int8": {"fine_tuning": {"best_epoch": 2}}}
    assert remarks(tuned) == []
    tuned["int8"]["fine_tuning"]["best_epoch"] = 0
    assert "no epoch of the fine-tuning was better" in remarks(tuned)[0]
