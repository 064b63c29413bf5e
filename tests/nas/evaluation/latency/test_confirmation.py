from __future__ import annotations

import random
from types import SimpleNamespace

import pytest

import latency
from latency.predicting.operator_times import OperatorTime
from latency.predicting.predictor import Predictor, save_predictor
from nas.evaluation.costs import CostMeter, Extras
from nas.evaluation.latency import confirmation
from nas.evaluation.latency.confirmation import Confirmation
from nas.evaluation.latency.forecast import Forecast


@pytest.fixture
def forecast(candidates, tmp_path) -> Forecast:
    """Of a device on which an operator takes a thousandth of a millisecond."""
    identity = latency.identify("cpu", threads=2)
    predictor = Predictor(identity, reference_ms=1.25)
    for seed in range(4):
        operators = candidates.operators(candidates.sample(random.Random(seed)))
        predictor.table.add(operators, [OperatorTime(1.0, 1)] * len(operators))
        predictor.observe(candidates.family, operators, len(operators) / 1000)
    save_predictor(predictor, tmp_path / "predictor.json")
    return Forecast(candidates, identity, tmp_path / "predictor.json")


@pytest.fixture
def genotype(candidates):
    return candidates.sample(random.Random(0))


@pytest.fixture
def record(candidates, forecast, genotype):
    known = CostMeter(candidates, Extras(forecast)).known(genotype)
    return {
        "costs": known.costs,
        "details": known.details | {"other": 1},
        "seconds": {"score": 2.0},
    }


def figure(ms: float = 7.0, comparable: bool = True) -> SimpleNamespace:
    record = {"normalised_ms": ms}
    # The reference network makes up for a busy machine.
    return SimpleNamespace(
        normalised_ms=ms, noisy=True, comparable=comparable, to_dict=lambda: record
    )


@pytest.fixture
def measured(monkeypatch):
    """What is asked of a device whose answer can be set."""
    asked = SimpleNamespace(answer=figure(), calls=[])

    def measure(*arguments):
        asked.calls.append(arguments)
        if isinstance(asked.answer, Exception):
            raise asked.answer
        return asked.answer

    monkeypatch.setattr(confirmation, "measure_candidate", measure)
    return asked


def test_a_known_latency_is_predicted_with_its_interval(candidates, forecast, genotype, record):
    prediction = forecast.predict(genotype)
    details = record["details"]["latency"]
    assert record["costs"]["latency"] == details["ms"] == prediction.ms
    assert (details["low_ms"], details["high_ms"]) == (prediction.low_ms, prediction.high_ms)
    assert details["source"] == "predicted"
    assert details["device"]["threads"] == 2
    counts = candidates.counts(genotype)
    assert (record["costs"]["params"], record["costs"]["macs"], record["costs"]["flops"]) == (
        counts.parameters,
        counts.macs,
        counts.flops,
    )


def test_a_measured_latency_takes_the_place_of_the_predicted_one(
    candidates, forecast, genotype, record, measured
):
    predicted = record["costs"]["latency"]
    found = Confirmation(candidates, forecast, "cpu")(genotype, record)
    assert found["costs"] == record["costs"] | {"latency": 7.0}
    details = found["details"]["latency"]
    assert (details["source"], details["normalised_ms"]) == ("measured", 7.0)
    assert details["predicted"]["ms"] == predicted
    assert found["details"]["other"] == 1
    assert set(found["seconds"]) == {"score", "latency"}
    assert record["costs"]["latency"] == predicted


def test_it_is_measured_once_on_the_scale_of_the_forecast(
    candidates, forecast, genotype, record, measured
):
    Confirmation(candidates, forecast, "cpu")(genotype, record)
    assert measured.calls == [(candidates, genotype, forecast.device, "cpu", 1.25, 1)]


def test_a_measurement_teaches_the_forecast_of_all(
    candidates, forecast, genotype, record, measured, tmp_path
):
    before = forecast.predict(genotype).ms
    Confirmation(candidates, forecast, "cpu")(genotype, record)
    assert forecast.predict(genotype).ms > before
    other = Forecast(candidates, forecast.device, tmp_path / "predictor.json")
    assert other.predict(genotype).ms == forecast.predict(genotype).ms


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (figure(comparable=False), "the machine was too busy to measure it."),
        (latency.ExportError("no such operator"), "no such operator."),
    ],
)
def test_without_a_measurement_to_believe_the_prediction_stays(
    candidates, forecast, genotype, record, measured, answer, reason
):
    measured.answer = answer
    before = forecast.predict(genotype)
    found = Confirmation(candidates, forecast, "cpu")(genotype, record)
    assert found["costs"] == record["costs"]
    details = found["details"]["latency"]
    assert (details["source"], details["unconfirmed"]) == ("predicted", reason)
    assert details["ms"] == record["costs"]["latency"]
    assert forecast.predict(genotype) == before


def test_a_noisy_figure_is_kept_beside_the_prediction(
    candidates, forecast, genotype, record, measured
):
    measured.answer = figure(9.0, comparable=False)
    found = Confirmation(candidates, forecast, "cpu")(genotype, record)
    assert found["details"]["latency"]["measured"] == {"normalised_ms": 9.0}
