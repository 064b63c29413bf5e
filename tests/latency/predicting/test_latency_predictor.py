from __future__ import annotations

import dataclasses
import json
import threading

import pytest
from torch import nn

from latency import LatencyError, identify
from latency.predicting.operator_times import OperatorTime
from latency.predicting.predictor import (
    REMEMBERED,
    Predictor,
    UnreadableError,
    clear_unreadable,
    load_predictor,
    save_predictor,
    shared_predictor,
)
from latency.tracing.forward_pass import trace
from latency.tracing.operators import operators_of

SHAPE = (1, 4, 8, 8)
FAMILY = "plain"


def chain(length: int):
    layers = [layer for _ in range(length) for layer in (nn.Conv2d(4, 4, 3), nn.ReLU())]
    return operators_of(trace(nn.Sequential(*layers), (1, 4, 32, 32)))


@pytest.fixture
def predictor() -> Predictor:
    made = Predictor(identify("cpu"), reference_ms=1.5)
    operators = chain(8)
    made.table.add(operators, [OperatorTime(100.0 - 5 * i, 1) for i in range(8)])
    return made


def test_a_prediction_follows_from_what_was_measured(predictor):
    for length in range(1, 8):
        exact = sum(0.1 - 0.005 * i for i in range(length))
        predictor.observe(FAMILY, chain(length), 2 * exact)
    exact = sum(0.1 - 0.005 * i for i in range(8))
    assert predictor.predict(FAMILY, chain(8)).ms == pytest.approx(2 * exact, rel=0.02)
    # Another family was never measured.
    assert predictor.predict("other", chain(8)).ms == pytest.approx(exact)


def test_observing_changes_the_next_prediction(predictor):
    before = predictor.predict(FAMILY, chain(4))
    predictor.observe(FAMILY, chain(4), before.ms * 1.3)
    after = predictor.predict(FAMILY, chain(4))
    assert before.ms * 1.2 < after.ms < before.ms * 1.35
    assert after.high_ms - after.low_ms < before.high_ms - before.low_ms


def test_only_the_latest_observations_are_remembered(predictor):
    for number in range(REMEMBERED + 5):
        predictor.observe(FAMILY, chain(1), 1.0 + number)
    assert [one.ms for one in predictor.families[FAMILY]][:2] == [6.0, 7.0]
    assert len(predictor.families[FAMILY]) == REMEMBERED


def test_layers_add_up_to_the_prediction(predictor):
    for length in range(1, 8):
        predictor.observe(FAMILY, chain(length), 0.1 * length)
    overhead = predictor.calibration(FAMILY).coefficients()[0]
    total = sum(predictor.layers(FAMILY, chain(6))) + overhead
    assert total == pytest.approx(predictor.predict(FAMILY, chain(6)).ms)


def test_what_the_table_lacks_is_guessed_and_then_learnt(predictor):
    operators = operators_of(trace(nn.Conv2d(4, 6, 5), SHAPE))
    assert predictor.predict(FAMILY, operators).guessed == 1
    assert predictor.learn([*operators, *operators], "cpu") == 1
    assert predictor.predict(FAMILY, operators).guessed == 0
    assert predictor.learn(operators, "cpu") == 0


def test_a_record_survives_json(predictor):
    predictor.observe(FAMILY, chain(3), 0.3)
    record = json.loads(json.dumps(predictor.to_dict()))
    assert Predictor.from_dict(record) == predictor or (
        Predictor.from_dict(record).to_dict() == predictor.to_dict()
    )
    assert Predictor.from_dict(record).predict(FAMILY, chain(3)) == predictor.predict(
        FAMILY, chain(3)
    )


def test_a_file_is_read_back(predictor, tmp_path):
    path = tmp_path / "new" / "predictor.json"
    predictor.observe(FAMILY, chain(3), 0.3)
    save_predictor(predictor, path)
    assert [entry.name for entry in path.parent.iterdir()] == ["predictor.json"]
    assert load_predictor(path, identify("cpu")).to_dict() == predictor.to_dict()


@pytest.mark.parametrize(
    "change",
    [{"model": "another"}, {"threads": 2}, {"engine": "torch"}, {"precision": "int8"}],
)
def test_another_device_is_refused_in_one_sentence(predictor, tmp_path, change):
    path = tmp_path / "predictor.json"
    save_predictor(predictor, path)
    here = dataclasses.replace(identify("cpu"), **change)
    with pytest.raises(LatencyError) as caught:
        load_predictor(path, here)
    assert str(caught.value) == (
        f"{path}: it was calibrated on {identify('cpu').key}, and this is {here.key}: "
        "calibrate here."
    )


def test_a_missing_file_says_what_to_do(tmp_path):
    with pytest.raises(LatencyError, match="no such file: calibrate the device first"):
        load_predictor(tmp_path / "absent.json", identify("cpu"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "damaged"),
        ("[]", "damaged"),
        ('{"version": 2}', "damaged"),
        ('{"version": 1}', "another version"),
    ],
)
def test_a_file_that_cannot_be_used_says_what_to_do(tmp_path, text, message):
    path = tmp_path / "predictor.json"
    path.write_text(text)
    with pytest.raises(UnreadableError, match=f"{message}.*: calibrate the device again"):
        load_predictor(path, identify("cpu"))
    clear_unreadable(path, identify("cpu"))
    assert not path.exists()


def test_what_can_be_read_is_not_cleared(predictor, tmp_path):
    path = tmp_path / "predictor.json"
    clear_unreadable(path, identify("cpu"))
    save_predictor(predictor, path)
    clear_unreadable(path, identify("cpu"))
    with pytest.raises(LatencyError, match="it was calibrated on"):
        clear_unreadable(path, identify("cpu", threads=2))
    assert load_predictor(path, identify("cpu")).to_dict() == predictor.to_dict()


def test_nothing_that_another_process_observed_is_lost(tmp_path):
    path = tmp_path / "predictor.json"

    def observe(ms: float) -> None:
        with shared_predictor(path, identify("cpu")) as predictor:
            predictor.observe(FAMILY, chain(1), ms)

    threads = [threading.Thread(target=observe, args=(ms,)) for ms in (1.0, 2.0, 3.0, 4.0)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    known = load_predictor(path, identify("cpu")).families[FAMILY]
    assert sorted(one.ms for one in known) == [1.0, 2.0, 3.0, 4.0]


def test_a_failed_change_is_not_written(tmp_path):
    path = tmp_path / "predictor.json"
    with pytest.raises(RuntimeError), shared_predictor(path, identify("cpu")):
        raise RuntimeError
    assert not path.exists()


def test_taking_over_a_family_keeps_the_others(predictor):
    predictor.observe("old", chain(2), 0.2)
    fresh = Predictor(identify("cpu"), reference_ms=2.0)
    fresh.table.add(chain(1), [OperatorTime(50.0, 1)])
    fresh.observe(FAMILY, chain(1), 0.1)
    predictor.take(FAMILY, fresh)
    assert set(predictor.families) == {"old", FAMILY}
    assert predictor.reference_ms == 2.0
    assert predictor.predict("none", chain(1)).ms == pytest.approx(0.05)
