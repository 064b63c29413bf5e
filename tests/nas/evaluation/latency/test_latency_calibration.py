from __future__ import annotations

import dataclasses
import random
from types import SimpleNamespace

import pytest

import latency
from latency.predicting.operator_times import OperatorTime
from latency.predicting.predictor import load_predictor, save_predictor
from nas.evaluation.latency import calibration
from nas.evaluation.latency.calibration import calibrate
from nas.evaluation.latency.forecast import Forecast, predictor_path


@dataclasses.dataclass
class Machine:
    """A device on which an operator takes a hundredth of a microsecond for each number it moves."""

    candidates: object
    measured: int = 0
    busy: tuple[int, ...] = ()
    known: list[float | None] = dataclasses.field(default_factory=list)

    def time(self, operators, placement, engine):
        return [OperatorTime(one.elements / 100, 1) for one in operators]

    def measure(self, candidates, genotype, identity, device, reference_ms):
        self.measured += 1
        ms = self.true_ms(genotype)
        self.known.append(reference_ms)
        # A busy machine runs everything at two thirds of its speed, the reference a bit faster.
        noisy = self.measured in self.busy
        return SimpleNamespace(
            ratio=ms / (1.4 if noisy else 1.5),
            reference_ms=2.25 if noisy else 1.5,
            comparable=not noisy,
            ratio_interval=0.06 if noisy else 0.01,
        )

    def true_ms(self, genotype) -> float:
        elements = sum(one.elements for one in self.candidates.operators(genotype))
        return 0.05 + 1.2 * elements / 1e5


@pytest.fixture(autouse=True)
def _few_samples(monkeypatch):
    monkeypatch.setattr(calibration, "_MOST_SAMPLES", 15)


@pytest.fixture
def machine(candidates, monkeypatch) -> Machine:
    made = Machine(candidates)
    monkeypatch.setattr(calibration, "time_operators", made.time)
    monkeypatch.setattr(calibration, "measure_candidate", made.measure)
    return made


def test_a_calibrated_device_is_predicted(candidates, machine, tmp_path):
    path = tmp_path / "predictor.json"
    told = []
    found = calibrate(candidates, networks=6, path=path, progress=lambda *step: told.append(step))
    assert (found.networks, found.noisy, machine.measured) == (6, 0, 6)
    assert found.operators == len(found.predictor.table)
    assert told[0] == ("operators", 0, found.operators)
    assert told[-1] == ("networks", 6, 6)
    forecast = Forecast(candidates, latency.identify("cpu"), path)
    assert forecast.is_calibrated
    assert forecast.reference_ms == 1.5
    for seed in range(5):
        genotype = candidates.sample(random.Random(seed + 50))
        prediction = forecast.predict(genotype)
        true = machine.true_ms(genotype)
        # Operators that the few samples lack are guessed from those that are like them.
        assert prediction.ms == pytest.approx(true, rel=0.05)
        assert prediction.low_ms <= true <= prediction.high_ms


def test_networks_that_met_a_busy_machine_are_measured_again(candidates, machine, tmp_path):
    quiet = calibrate(candidates, networks=6, path=tmp_path / "quiet.json").predictor
    machine.measured, machine.busy, machine.known = 0, (1, 4, 8), []
    told = []
    found = calibrate(
        candidates,
        networks=6,
        path=tmp_path / "busy.json",
        progress=lambda *step: told.append(step),
    )
    # The second try of the fourth network met a busy machine too.
    assert (found.noisy, machine.measured) == (1, 8)
    assert machine.known == [None, 2.25, 1.5, 1.5, 1.5, 1.5, 1.5, 1.5]
    assert told[-1] == ("noisy networks again", 2, 2)
    assert found.predictor.reference_ms == 1.5
    ms, true = (
        [one.ms for one in predictor.families[candidates.family]]
        for predictor in (found.predictor, quiet)
    )
    assert [i for i in range(6) if ms[i] != pytest.approx(true[i])] == [3]


def test_networks_are_chosen_from_all_over_the_range(candidates, machine, tmp_path):
    found = calibrate(candidates, networks=8, path=tmp_path / "predictor.json")
    measured = [one.ms for one in found.predictor.families[candidates.family]]
    assert measured == sorted(measured)
    rng = random.Random(3)
    others = [machine.true_ms(candidates.sample(rng)) for _ in range(20)]
    inside = [measured[0] <= ms <= measured[-1] for ms in others]
    assert sum(inside) > 10


def test_what_the_file_holds_of_others_stays(candidates, machine, tmp_path):
    path = tmp_path / "predictor.json"
    calibrate(candidates, networks=3, path=path)
    first = load_predictor(path, latency.identify("cpu"))
    first.observe("others", candidates.operators(candidates.sample(random.Random(0))), 1.0)
    save_predictor(first, path)
    again = calibrate(candidates, networks=2, path=path).predictor
    assert {name: len(known) for name, known in again.families.items()} == {
        "others": 1,
        candidates.family: 2,
    }


def test_a_search_learns_from_what_it_measures(candidates, machine, tmp_path):
    path = tmp_path / "predictor.json"
    calibrate(candidates, networks=3, path=path)
    forecast = Forecast(candidates, latency.identify("cpu"), path)
    genotypes = [candidates.sample(random.Random(seed)) for seed in range(11)]
    for genotype in genotypes[:10]:
        # The machine has become slower since.
        forecast.observe(genotype, 1.5 * machine.true_ms(genotype))
    assert forecast.predict(genotypes[10]).ms > 1.3 * machine.true_ms(genotypes[10])


def test_each_device_has_a_file_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setenv("NAS_CACHE", str(tmp_path))
    paths = [
        predictor_path(latency.identify("cpu", threads, engine))
        for threads, engine in ((1, "onnxruntime"), (2, "onnxruntime"), (1, "torch"))
    ]
    assert len(set(paths)) == 3
    assert all(path.parent == tmp_path / "latency" for path in paths)


def test_a_device_that_was_not_calibrated_says_what_to_do(candidates, tmp_path, monkeypatch):
    monkeypatch.setenv("NAS_CACHE", str(tmp_path))
    with pytest.raises(latency.LatencyError, match="calibrate the device first"):
        Forecast(candidates, latency.identify("cpu"))


def test_an_engine_whose_latencies_cannot_be_predicted_is_refused(candidates, tmp_path):
    with pytest.raises(latency.LatencyError, match=r"torch\.compile cannot be predicted"):
        calibrate(candidates, engine="torch.compile", path=tmp_path / "predictor.json")


def test_a_real_device(candidates, tmp_path, monkeypatch):
    monkeypatch.setattr("latency.predicting.operator_times._ORDERS", 1)
    found = calibrate(candidates, networks=2, path=tmp_path / "predictor.json")
    genotype = candidates.sample(random.Random(5))
    prediction = Forecast(candidates, latency.identify("cpu"), found.path).predict(genotype)
    assert 0 < prediction.low_ms < prediction.ms < prediction.high_ms
    assert prediction.guessed == 0
