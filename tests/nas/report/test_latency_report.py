from __future__ import annotations

import dataclasses
import io

from rich.console import Console
from rich.table import Table

from latency import identify
from latency.measuring.latency import Latency
from latency.measuring.noise import Noise
from latency.predicting.calibration import Prediction
from latency.profiling.layers import LayerTime
from nas.report.latency import latency_table, layers_table, plot_layers

MEASURED = Latency(
    **{"min_ms": 4.8, "median_ms": 5.0, "p90_ms": 5.4, "low_ms": 4.95, "high_ms": 5.06},
    **{"wall_ms": 5.0, "normalised_ms": 5.0, "ratio": 4.0, "ratio_interval": 0.01},
    **{
        "reference_ms": 1.25,
        "reference_median_ms": 1.26,
        "noise": Noise(0.011, -0.002, 0.01),
        "runs": 30,
    },
    **{"repeats": 1, "warmup_runs": 10, "attempts": 1, "clock": "thread", "clock_mhz": None},
    provider="CPUExecutionProvider",
    device=dataclasses.replace(identify("cpu"), model="A processor"),
    input_shape=(1, 3, 64, 64),
)
LAYERS = [
    LayerTime("decoder.blocks", "12 layers", 3_000_000, 3.0),
    LayerTime("encoder", "conv2d", 1_000_000, 1.5),
    LayerTime("", "interpolate", 0, 0.5),
]
PREDICTED = [
    LayerTime("encoder", "conv2d", 1_000_000, 1.4),
    LayerTime("decoder.blocks", "12 layers", 3_000_000, 3.3),
]


def text(table: Table, width: int = 100) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(table)
    return console.file.getvalue()


def cells(table: Table) -> list[list[str]]:
    lines = text(table).splitlines()
    return [[cell.strip() for cell in line.split("│")[1:-1]] for line in lines if "│" in line]


def test_a_latency_says_how_sure_it_is_and_where_it_was_measured():
    prediction = Prediction(5.2, 4.9, 5.5, 0.0)
    found = dict(cells(latency_table("net", MEASURED, None, prediction, (1_500_000, 28_000_000))))
    assert found["latency"] == "5.00 ms, the median of 30 runs"
    assert found["95 % interval"] == "4.95 to 5.06 ms"
    assert found["machine"].startswith("quiet: ")
    assert found["predicted"] == "5.20 ms, +4.0% of the measured"
    assert found["90% interval"] == "4.90 to 5.50 ms"
    assert found["device"] == "A processor, threads: 1, float32"
    assert found["clock"] == "processor time"
    assert found["parameters, MACs"] == "1.5 M, 28 M"
    assert "of it guessed" not in found


def test_what_is_not_known_is_left_out():
    found = dict(cells(latency_table("net", MEASURED)))
    assert not {"predicted", "parameters, MACs", "when it is idle"} & set(found)


def test_a_prediction_is_compared_with_what_the_idle_device_takes():
    prediction = Prediction(4.2, 4.0, 4.4, 0.0)
    found = dict(cells(latency_table("net", MEASURED, 4.0, prediction)))
    assert found["when it is idle"] == "4.00 ms, by the reference network"
    assert found["predicted"] == "4.20 ms, +5.0% of the measured"


def test_guesses_and_a_busy_machine_are_said():
    busy = dataclasses.replace(MEASURED, noise=Noise(0.1, 0.0, 0.0))
    found = dict(cells(latency_table("net", busy, predicted=Prediction(5.0, 3.0, 7.0, 0.25))))
    assert found["machine"].startswith("busy: ")
    assert found["of it guessed"] == "25%: operators never timed here"


def test_layers_have_shares_and_predictions():
    assert cells(layers_table(LAYERS, PREDICTED, rows=5)) == [
        ["decoder.blocks", "12 layers", "3 M", "3.000", "60.0%", "3.300"],
        ["encoder", "conv2d", "1 M", "1.500", "30.0%", "1.400"],
        ["(network)", "interpolate", "-", "0.500", "10.0%", "-"],
    ]


def test_layers_that_are_not_listed_share_a_row():
    assert cells(layers_table(LAYERS, PREDICTED, rows=1)) == [
        ["decoder.blocks", "12 layers", "3 M", "3.000", "60.0%", "3.300"],
        ["2 others", "", "1 M", "2.000", "40.0%", "1.400"],
    ]


def test_without_predictions_there_is_no_column_of_them():
    assert "predicted" not in text(layers_table(LAYERS, [], rows=5))


def test_the_picture_has_a_bar_for_each_layer_and_kind():
    axes = plot_layers("net", LAYERS, PREDICTED, bars=2).axes[0]
    measured, predicted = ([bar.get_width() for bar in bars] for bars in axes.containers)
    assert (measured, predicted) == ([3.0, 1.5], [3.3, 1.4])
    assert [label.get_text() for label in axes.get_yticklabels()] == ["decoder.blocks", "encoder"]
    assert axes.yaxis_inverted()


def test_the_picture_says_what_it_leaves_out():
    picture = plot_layers("net", LAYERS, [], bars=2)
    assert picture.get_suptitle() == "net: 5.00 ms, 0.50 ms of them in 1 other layer"
    assert plot_layers("net", LAYERS, [], bars=3).get_suptitle() == "net: 5.00 ms"
    assert len(picture.axes[0].containers) == 1
