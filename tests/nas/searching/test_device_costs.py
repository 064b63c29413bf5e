"""Latency, memory and energy of the candidates of a search."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

import latency
import search_spaces
from latency.costs import COSTS, Figure
from latency.predicting.predictor import Predictor, save_predictor
from nas.errors import UserError
from nas.evaluation.latency import readiness
from nas.evaluation.latency.calibration import Calibrated
from nas.evaluation.latency.confirmation import Confirmation
from nas.kinds.classification.candidates import ClassifierCandidates
from nas.searching import device_costs
from nas.searching.config import ImageSearchConfig, image_config
from nas.searching.device_costs import (
    asked_costs,
    check_device_costs,
    on_this_device,
    resolved,
    told_costs,
)

OPTIONS = {"channels": 4, "cells": 1}


@pytest.fixture(scope="module")
def candidates() -> ClassifierCandidates:
    """Tiny classifiers."""
    return ClassifierCandidates(search_spaces.create("nasbench201", **OPTIONS), 5, (1, 3, 16, 16))


def config_of(*penalties: str, **changes: Any) -> ImageSearchConfig:
    values = {"space": {"name": "nasbench201", "options": OPTIONS}} | changes
    values["reward"] = {"penalties": [{"cost": cost} for cost in penalties]}
    return image_config("classification").model_validate(values)


@pytest.fixture
def calibrated(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> list[str]:
    """Calibrations that take no time; a network takes a microsecond for each operator."""
    monkeypatch.setenv("NAS_CACHE", str(tmp_path))
    made: list[str] = []

    def calibrate(of: Any, device: str, *settings: Any, path: Any) -> Calibrated:
        made.append(device)
        engine, threads, networks = settings
        predictor = Predictor(latency.identify(device, threads, engine))
        for seed in range(networks):
            operators = of.operators(of.sample(random.Random(seed)))
            predictor.observe(of.family, operators, len(operators) / 1000)
        save_predictor(predictor, path)
        return Calibrated(predictor, path, 1, networks, 0, 0.01)

    monkeypatch.setattr(readiness, "calibrate", calibrate)
    return made


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the costs that were measured, each of 4.0."""
    asked: list[str] = []

    class Measured:
        def __init__(self, name: str) -> None:
            self.name = name
            self.source, self.needs_build = COSTS.get(name).source, COSTS.get(name).needs_build

        def measure(self, network: Any, shape: Any) -> Figure:
            asked.append(self.name)
            return Figure(4.0, {})

    def create(name: str, *_: Any) -> Any:
        return Measured(name)

    monkeypatch.setattr(device_costs, "create_cost", create)
    return asked


def test_penalised_and_limited_costs_are_asked_for() -> None:
    config = config_of("flops", "latency", limits={"memory": 1e6, "latency": 5.0})
    assert asked_costs(config) == {"flops", "latency", "memory"}


def test_costs_that_nobody_asked_for_are_not_told(candidates: Any, calibrated: list[str]) -> None:
    told = told_costs(config_of("flops"), candidates, "cpu")
    known = told.meter.known(candidates.sample(random.Random(0)))
    assert set(known.costs) == {"params", "macs", "flops"}
    assert told.confirm is None
    assert calibrated == []


@pytest.mark.parametrize("changes", [{}, {"limits": {"latency": 5.0}}])
def test_an_asked_latency_is_predicted(
    candidates: Any, calibrated: list[str], changes: dict[str, Any]
) -> None:
    penalties = () if changes else ("latency",)
    told = told_costs(config_of(*penalties, **changes), candidates, "cpu")
    known = told.meter.known(candidates.sample(random.Random(0)))
    assert known.details["latency"]["source"] == "predicted"
    assert 0 < known.costs["latency"] == known.details["latency"]["ms"] < 1
    assert isinstance(told.confirm, Confirmation)
    assert calibrated == ["cpu"]


def test_latency_can_be_measured_of_each(
    candidates: Any, calibrated: list[str], measured: list[str]
) -> None:
    config = config_of("latency", "flops", latency={"source": "measured"})
    told = told_costs(config, candidates, "cpu")
    assert told.meter.known(candidates.sample(random.Random(0))).costs["latency"] == 4.0
    assert (told.confirm, calibrated, measured) == (None, [], ["latency"])


def test_memory_is_counted_and_energy_measured(candidates: Any, measured: list[str]) -> None:
    told = told_costs(config_of("memory", limits={"energy": 9.0}), candidates, "cpu")
    genotype = candidates.sample(random.Random(0))
    assert set(told.meter.counts(genotype)) == {"params", "macs", "flops", "memory"}
    assert set(told.meter.known_costs(genotype)) >= {"memory", "energy"}
    assert measured == ["memory", "energy"]


def test_the_base_of_latency_is_the_median_prediction(
    candidates: Any, calibrated: list[str], measured: list[str]
) -> None:
    said: list[str] = []
    config = resolved(config_of("latency"), candidates, "cpu", said.append)
    (penalty,) = config.reward.penalties
    meter = told_costs(config, candidates, "cpu").meter
    rng = random.Random(config.seed)
    figures = sorted(meter.counts(candidates.sample(rng))["latency"] for _ in range(200))
    assert isinstance(penalty.base, float)
    assert figures[95] <= penalty.base <= figures[104]
    assert measured == []
    assert any("base of the penalty on latency" in sentence for sentence in said)


def test_limits_that_leave_nothing_end_the_search_before_it_begins(
    candidates: Any, calibrated: list[str]
) -> None:
    config = config_of(limits={"latency": 1e-6})
    with pytest.raises(UserError, match=r"none of \d+ sampled candidates is within the limits"):
        resolved(config, candidates, "cpu", lambda sentence: None)


def test_limits_of_what_must_be_measured_are_met_as_candidates_come(
    candidates: Any, measured: list[str]
) -> None:
    config = config_of(limits={"energy": 1.0, "flops": 1e12})
    said: list[str] = []
    resolved(config, candidates, "cpu", said.append)
    assert measured == []
    assert any("100" in sentence for sentence in said)


def test_a_search_knows_its_device_again(candidates: Any, calibrated: list[str]) -> None:
    config = on_this_device(config_of("latency"), "cpu")
    assert config.latency.key == latency.identify("cpu").key
    assert on_this_device(config, "cpu") == config
    elsewhere = config.model_copy(
        update={"latency": config.latency.model_copy(update={"key": "cpu, abacus"})}
    )
    for refused in (
        lambda: on_this_device(elsewhere, "cpu"),
        lambda: told_costs(elsewhere, candidates, "cpu"),
    ):
        with pytest.raises(UserError, match="the search began on cpu, abacus, and this is cpu, "):
            refused()


def test_a_search_without_latency_may_go_on_anywhere() -> None:
    config = config_of("flops")
    assert on_this_device(config, "cpu") == config


WRONG: dict[str, tuple[tuple[str, ...], dict[str, Any], str]] = {
    "device": (("latency",), {"latency": {"device": "phone"}}, "latency: .*'phone' is not known"),
    "device that nobody needs": ((), {"latency": {"device": "phone"}}, "'phone' is not known"),
    "engine": (("latency",), {"latency": {"engine": "abacus"}}, "latency: .*abacus"),
    "engine that cannot be predicted": (
        ("latency",),
        {"latency": {"engine": "torch.compile"}},
        r"latency\.engine: latencies of torch\.compile cannot be predicted.*source=measured",
    ),
    "engine that does not run there": (
        ("latency",),
        {"latency": {"engine": "cuda-graphs"}},
        "latency: the engine cuda-graphs runs on GPUs only: use a cuda device",
    ),
    "limited cost": ((), {"limits": {"weight": 3.0}}, "no cost 'weight' to limit; known: params"),
}


@pytest.mark.parametrize(("penalties", "changes", "message"), WRONG.values(), ids=WRONG)
def test_wrong_settings_are_refused(
    penalties: tuple[str, ...], changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        check_device_costs(config_of(*penalties, **changes), "cpu")


def test_an_engine_that_cannot_be_predicted_can_be_measured(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # To compile a network takes long.
    monkeypatch.setattr(device_costs, "_run_once", lambda settings, device: None)
    settings = {"engine": "torch.compile", "source": "measured"}
    check_device_costs(config_of("latency", latency=settings), "cpu")


def test_energy_without_a_counter_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(device: Any) -> Callable[[], float]:
        raise latency.UnavailableError("the energy is not counted here")

    monkeypatch.setattr(device_costs, "open_meter", absent)
    with pytest.raises(UserError, match=r"^energy: the energy is not counted here\.$"):
        check_device_costs(config_of("energy"), "cpu")
    check_device_costs(config_of("memory"), "cpu")


def test_runs_of_before_measured_every_candidate() -> None:
    config = image_config("classification").model_validate({"latency_device": "cuda:1"})
    assert (config.latency.device, config.latency.source) == ("cuda:1", "measured")
    config = image_config("classification").model_validate({"latency_device": None})
    assert (config.latency.device, config.latency.source) == (None, "measured")
    assert image_config("classification")().latency.source == "predicted"
