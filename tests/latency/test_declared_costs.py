from __future__ import annotations

import json

import pytest

from latency import (
    LatencyError,
    UnavailableError,
    cost_names,
    count_memory,
    create_cost,
    measure_cuda_memory,
)

SHAPE = (1, 3, 24, 32)


def test_every_cost_has_a_name_and_a_unit():
    costs = [create_cost(name) for name in cost_names()]
    assert [(cost.name, cost.unit) for cost in costs] == [
        ("latency", "ms"),
        ("memory", "bytes"),
        ("energy", "mJ"),
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
    monkeypatch.setattr("latency.costs.measure_cuda_memory", lambda *_: 123)
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
        "latency.costs.measure_energy", lambda *arguments: asked.append(arguments) or Found()
    )
    figure = create_cost("energy", "cpu", threads=2, engine="torch").measure(segmenter, SHAPE)
    assert (figure.value, figure.details) == (12.5, {"watts": 3.0})
    assert asked == [(segmenter, SHAPE, "cpu", 2, "torch")]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("price",), "cost 'price' is not known: use latency, memory, energy."),
        (("memory", "tpu"), "device 'tpu' is not known"),
        (("latency", "cpu", 0), "threads is 0"),
        (("energy", "cpu", 1, "tvm"), "engine 'tvm' is not known"),
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
