from __future__ import annotations

import random

import pytest

import latency
from latency.predicting.operator_times import OperatorTime
from latency.predicting.predictor import Predictor, save_predictor
from nas.evaluation.latency.forecast import Forecast


@pytest.fixture
def path(candidates, tmp_path):
    """File of a device on which an operator takes a thousandth of a millisecond."""
    predictor = Predictor(latency.identify("cpu"), reference_ms=1.25)
    for seed in range(4):
        operators = candidates.operators(candidates.sample(random.Random(seed)))
        predictor.table.add(operators, [OperatorTime(1.0, 1)] * len(operators))
        predictor.observe(candidates.family, operators, len(operators) / 1000)
    save_predictor(predictor, tmp_path / "predictor.json")
    return tmp_path / "predictor.json"


@pytest.fixture
def genotype(candidates):
    return candidates.sample(random.Random(0))


def test_what_another_process_learns_is_known_at_once(candidates, path, genotype):
    mine, other = (Forecast(candidates, latency.identify("cpu"), path) for _ in range(2))
    before = mine.predict(genotype).ms
    other.observe(genotype, 7.0)
    assert mine.predict(genotype).ms > before
    assert mine.predict(genotype) == other.predict(genotype)


def test_a_file_that_is_removed_is_not_missed(candidates, path, genotype):
    forecast = Forecast(candidates, latency.identify("cpu"), path)
    before = forecast.predict(genotype)
    path.unlink()
    assert forecast.predict(genotype) == before
    # The operators that were timed are not lost with the next observation.
    forecast.observe(genotype, before.ms)
    assert forecast.predict(genotype).guessed == 0
    assert path.is_file()
