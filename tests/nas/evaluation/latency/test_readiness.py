from __future__ import annotations

import random
from types import SimpleNamespace

import pytest

import latency
from latency.predicting.predictor import Predictor, save_predictor
from nas.evaluation.latency import readiness
from nas.evaluation.latency.calibration import Calibrated
from nas.evaluation.latency.forecast import predictor_path
from nas.evaluation.latency.readiness import ready_forecast
from nas.evaluation.latency.settings import LatencySettings


@pytest.fixture
def calibrations(monkeypatch, tmp_path):
    """Every calibration that was made, by a device that answers at once."""
    monkeypatch.setenv("NAS_CACHE", str(tmp_path))
    made = []

    def calibrate(candidates, device, engine, threads, networks, path):
        made.append((device, engine, threads, networks))
        predictor = Predictor(latency.identify(device, threads, engine))
        for seed in range(networks):
            operators = candidates.operators(candidates.sample(random.Random(seed)))
            predictor.observe(candidates.family, operators, 3.0)
        save_predictor(predictor, path)
        return Calibrated(predictor, path, operators=40, networks=networks, noisy=1, error=0.02)

    monkeypatch.setattr(readiness, "calibrate", calibrate)
    return made


def test_a_device_is_calibrated_once(candidates, calibrations):
    said: list[str] = []
    settings = LatencySettings(threads=2, networks=3)
    first = ready_forecast(candidates, settings, "cpu", said.append)
    again = ready_forecast(candidates, settings, "cpu", said.append)
    assert calibrations == [("cpu", "onnxruntime", 2, 3)]
    assert first.is_calibrated and again.is_calibrated
    before, after = said
    assert "timing their operators and 3 of them" in before
    assert "40 operators and 3 networks, 1 of them while the machine was busy" in after
    assert "off by about 2.0%" in after


def test_a_damaged_calibration_is_made_again(candidates, calibrations):
    predictor_path(latency.identify("cpu")).parent.mkdir(parents=True)
    predictor_path(latency.identify("cpu")).write_text("{")
    assert ready_forecast(candidates, LatencySettings(networks=2), "cpu").is_calibrated
    assert len(calibrations) == 1


def test_another_way_to_run_is_calibrated_for_itself(candidates, calibrations):
    for threads in (1, 2):
        ready_forecast(candidates, LatencySettings(threads=threads, networks=2), "cpu")
    assert [made[2] for made in calibrations] == [1, 2]


def test_a_device_that_knows_other_networks_is_calibrated_for_these(candidates, calibrations):
    identity = latency.identify("cpu")
    others = Predictor(identity)
    others.observe("others", candidates.operators(candidates.sample(random.Random(0))), 1.0)
    save_predictor(others, predictor_path(identity))
    ready_forecast(candidates, LatencySettings(networks=2), "cpu")
    assert len(calibrations) == 1


def test_random_numbers_of_torch_stay_as_they_are(candidates, calibrations):
    import torch

    before = torch.get_rng_state()
    ready_forecast(candidates, LatencySettings(networks=2), "cpu")
    assert torch.equal(torch.get_rng_state(), before)


def test_what_cannot_be_predicted_is_refused(candidates, monkeypatch, tmp_path):
    monkeypatch.setenv("NAS_CACHE", str(tmp_path))
    called = SimpleNamespace(times=0)
    with pytest.raises(latency.LatencyError, match="cannot be predicted"):
        ready_forecast(candidates, LatencySettings(engine="torch.compile"), "cpu")
    assert called.times == 0
