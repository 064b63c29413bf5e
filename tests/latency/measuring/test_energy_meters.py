from __future__ import annotations

import pytest

from latency import Device, UnavailableError
from latency.measuring.energy_meters import NvmlMeter, RaplMeter, open_meter


def package(folder, name: str, used: int, zone: str = "package-0", limit: int = 1_000_000):
    path = folder / name
    path.mkdir()
    (path / "name").write_text(f"{zone}\n")
    (path / "max_energy_range_uj").write_text(f"{limit}\n")
    (path / "energy_uj").write_text(f"{used}\n")
    return path / "energy_uj"


def test_the_packages_of_a_processor_are_added(tmp_path):
    first = package(tmp_path, "intel-rapl:0", 5000)
    second = package(tmp_path, "intel-rapl:1", 7000, zone="package-1")
    meter = RaplMeter(tmp_path)
    first.write_text("9000")
    second.write_text("8000")
    assert meter.read() == 5.0


def test_parts_of_a_package_are_not_counted_twice(tmp_path):
    package(tmp_path, "intel-rapl:0", 0)
    core = package(tmp_path, "intel-rapl:0:0", 0, zone="core")
    platform = package(tmp_path, "intel-rapl:1", 0, zone="psys")
    meter = RaplMeter(tmp_path)
    core.write_text("4000")
    platform.write_text("4000")
    assert meter.read() == 0.0


def test_a_counter_that_starts_again_goes_on(tmp_path):
    counter = package(tmp_path, "intel-rapl:0", 990_000)
    meter = RaplMeter(tmp_path)
    for now, used in ((995_000, 5.0), (3000, 13.0), (4000, 14.0)):
        counter.write_text(str(now))
        assert meter.read() == used


def test_a_machine_without_counters_says_so(tmp_path):
    with pytest.raises(UnavailableError) as caught:
        RaplMeter(tmp_path / "powercap")
    assert str(caught.value) == (
        f"the energy of the processor is not counted here: {tmp_path}/powercap has no RAPL package."
    )


def test_a_counter_that_only_an_administrator_may_read_says_so(tmp_path, monkeypatch):
    counter = package(tmp_path, "intel-rapl:0", 0)
    counter.unlink()
    with pytest.raises(UnavailableError, match="energy_uj cannot be read: let an administrator"):
        RaplMeter(tmp_path)


class FakeGpu:
    def __init__(self, energy):
        self.left = iter(energy)

    def energy(self):
        return next(self.left)


def test_a_gpu_tells_its_energy_in_millijoules():
    assert NvmlMeter(FakeGpu([1000, 2**40])).read() == 2**40


def test_a_gpu_that_does_not_count_says_so_at_once():
    class Old:
        def energy(self):
            raise UnavailableError("too old")

    with pytest.raises(UnavailableError, match="too old"):
        NvmlMeter(Old())


def test_a_missing_gpu_is_named():
    with pytest.raises(UnavailableError, match="device cuda:97 is not there"):
        open_meter(Device("cuda", 97))


def test_the_meter_of_a_cpu_is_rapl(tmp_path, monkeypatch):
    package(tmp_path, "intel-rapl:0", 0)
    monkeypatch.setattr(RaplMeter.__init__, "__defaults__", (tmp_path,))
    assert open_meter(Device("cpu")).source == "RAPL"
