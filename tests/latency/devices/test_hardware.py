from __future__ import annotations

import pytest

from latency import Device
from latency.devices.hardware import (
    clock_limit,
    clock_now,
    driver_version,
    governor,
    processor_name,
)


def test_the_processor_is_named_by_the_system(tmp_path):
    info = tmp_path / "cpuinfo"
    info.write_text("processor\t: 0\nmodel name\t: Some CPU 3000\nprocessor\t: 1\n")
    assert processor_name(info) == "Some CPU 3000"


@pytest.mark.parametrize("text", [None, "processor\t: 0\n"])
def test_a_processor_without_a_name_is_named_by_its_architecture(tmp_path, monkeypatch, text):
    monkeypatch.setattr("platform.processor", lambda: "")
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    info = tmp_path / "cpuinfo"
    if text is not None:
        info.write_text(text)
    assert processor_name(info) == "riscv64"


@pytest.mark.parametrize(
    "line",
    [
        "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.104.05  Sat Aug 19 01:15:15 UTC 2023",
        "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  535.104.05  Release Build",
    ],
)
def test_the_driver_version_is_read(tmp_path, line):
    version = tmp_path / "version"
    version.write_text(line + "\nGCC version: gcc 12.2\n")
    assert driver_version(version) == "535.104.05"


def test_no_driver_is_none(tmp_path):
    assert driver_version(tmp_path / "version") is None


def test_clocks_are_read_in_mhz(tmp_path):
    (tmp_path / "scaling_max_freq").write_text("3500000\n")
    (tmp_path / "scaling_cur_freq").write_text("1200000\n")
    (tmp_path / "scaling_governor").write_text("powersave\n")
    assert clock_limit(tmp_path) == 3500
    assert clock_now(Device("cpu"), tmp_path) == 1200
    assert governor(tmp_path) == "powersave"


def test_clocks_that_cannot_be_read_are_none(tmp_path):
    found = clock_limit(tmp_path), clock_now(Device("cpu"), tmp_path), governor(tmp_path)
    assert found == (None, None, None)
