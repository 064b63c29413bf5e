from __future__ import annotations

import copy
import json
import subprocess
import sys

import pytest

from latency import (
    LatencyError,
    UnavailableError,
    cost_names,
    count,
    count_memory,
    create_cost,
    measure_cuda_memory,
)
from latency.costs import COSTS, Cost, Figure, Source, amount, heading, register

SHAPE = (1, 3, 24, 32)


def test_every_cost_declares_what_it_is():
    costs = [create_cost(name) for name in cost_names()]
    assert [(cost.name, cost.label, str(cost.unit)) for cost in costs] == [
        ("params", "parameters", ""),
        ("macs", "MACs", ""),
        ("flops", "FLOPs", ""),
        ("latency", "latency", "ms"),
        ("memory", "memory", "bytes"),
        ("energy", "energy", "mJ"),
    ]


def test_every_cost_declares_how_it_is_found():
    found = {name: COSTS.get(name).source for name in cost_names()}
    assert found == {
        **dict.fromkeys(("params", "macs", "flops", "memory"), Source.COUNTED),
        "latency": Source.PREDICTED,
        "energy": Source.MEASURED,
    }


@pytest.mark.parametrize("name", [n for n in cost_names() if not COSTS.get(n).needs_build])
def test_what_needs_no_build_is_told_of_a_network_without_weights(name, segmenter):
    hollow = copy.deepcopy(segmenter).eval().to("meta")
    assert create_cost(name).measure(hollow, SHAPE) == create_cost(name).measure(segmenter, SHAPE)


def test_counts_are_those_of_count(segmenter):
    counts = count(segmenter, SHAPE)
    names = ("params", "macs", "flops")
    assert [create_cost(name).measure(segmenter, SHAPE).value for name in names] == [
        *(counts.parameters, counts.macs, counts.flops)
    ]


@pytest.mark.filterwarnings("ignore::latency.NoiseWarning")
def test_latency_is_the_median_of_the_engine_asked_for(segmenter):
    figure = create_cost("latency", "cpu", engine="torch").measure(segmenter, SHAPE)
    assert figure.value == figure.details["median_ms"] > 0
    assert figure.details["device"]["engine"] == "torch"
    json.dumps(figure.details)


def test_memory_is_counted(segmenter):
    figure = create_cost("memory", "cpu").measure(segmenter, SHAPE)
    counted = count_memory(segmenter, SHAPE)
    assert figure.value == counted.peak
    assert figure.details == {
        "weights": counted.weights,
        "activations": counted.activations,
        "source": "counted",
    }


def test_memory_on_a_gpu_tells_what_pytorch_allocates(segmenter, monkeypatch):
    monkeypatch.setattr("latency.measuring.cuda_memory.measure_cuda_memory", lambda *_: 123)
    figure = create_cost("memory", "cuda").measure(segmenter, SHAPE)
    assert figure.details["allocated"] == 123
    assert figure.value == count_memory(segmenter, SHAPE).peak


def test_energy_is_that_of_a_run(segmenter, monkeypatch):
    class Found:
        mj = 12.5

        def to_dict(self):
            return {"watts": 3.0}

    asked = []
    monkeypatch.setattr(
        "latency.measuring.energy.measure_energy",
        lambda *arguments: asked.append(arguments) or Found(),
    )
    figure = create_cost("energy", "cpu", threads=2, engine="torch").measure(segmenter, SHAPE)
    assert (figure.value, figure.details) == (12.5, {"watts": 3.0})
    assert asked == [(segmenter, SHAPE, "cpu", 2, "torch")]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("price",),
            "there is no cost 'price'; choose one of params, macs, flops",
        ),
        (("latancy",), "there is no cost 'latancy'; did you mean 'latency'?"),
        (("memory", "tpu"), "device 'tpu' is not known"),
        (("latency", "cpu", 0), "threads is 0"),
        (("energy", "cpu", 1, "tvm"), "there is no engine 'tvm'"),
    ],
)
def test_what_is_not_known_is_refused(arguments, message):
    with pytest.raises(LatencyError, match=message):
        create_cost(*arguments)


def test_allocated_memory_needs_a_gpu(segmenter):
    with pytest.raises(LatencyError, match="memory is measured on GPUs only"):
        measure_cuda_memory(segmenter, SHAPE, "cpu")
    with pytest.raises(UnavailableError, match="device cuda:97 is not there"):
        measure_cuda_memory(segmenter, SHAPE, "cuda:97")


OWN_COST = """
from torch import nn

from latency.costs import Cost, Figure


class Depth(Cost):
    name = "depth"
    label = "convolutions"

    def measure(self, model, input_shape):
        return Figure(float(sum(isinstance(module, nn.Conv2d) for module in model.modules())))
"""


def test_a_cost_of_ones_own_is_found_by_its_import_path(tmp_path, segmenter):
    file = tmp_path / "own_cost.py"
    file.write_text(OWN_COST)
    assert create_cost(f"{file}:Depth").measure(segmenter, SHAPE) == Figure(4.0)


def test_a_registered_cost_is_known_by_its_name(monkeypatch):
    monkeypatch.setattr(COSTS, "_registered", {})

    @register
    class Price(Cost):
        name = "price"
        label = "Price"

        def measure(self, model, input_shape):
            return Figure(2.0)

    assert cost_names()[-1] == "price"
    assert create_cost("price").measure(None, SHAPE).value == 2.0
    assert heading("price") == "Price"


def test_a_cost_without_a_label_is_refused():
    class Nameless(Cost):
        name = "nameless"

        def measure(self, model, input_shape):
            return Figure(0.0)

    with pytest.raises(ValueError, match="'nameless' must have the class attribute 'label'"):
        register(Nameless)


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("latency", 4.996, "5 ms"),
        ("latency_ms_pixel2", 0.8, "0.8 ms"),
        ("memory", 8e6, "8 MB"),
        ("params", 1.5e6, "1.5 M"),
        ("steps", 3000.0, "3 K"),
    ],
)
def test_an_amount_has_the_unit_of_its_cost(key, value, text):
    assert amount(key, value) == text


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("params", "parameters"),
        ("macs", "MACs"),
        ("latency", "latency (ms)"),
        ("memory", "memory (bytes)"),
        ("latency_ms_pixel2", "latency ms pixel2"),
    ],
)
def test_a_heading_names_the_unit(key, text):
    assert heading(key) == text


def test_declarations_are_read_without_torch():
    code = "import latency.costs as c, sys; c.heading('latency'); print('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "False"
