from __future__ import annotations

import contextlib
import time

import pytest
import torch

from latency import Device
from latency.devices.device import Placement
from latency.engines.clocks import CudaClock, ThreadClock, WallClock, cpu_clock


class Machine:
    """Time that passes only in runs."""

    def __init__(self, monkeypatch):
        self.wall, self.thread = 0, 0
        monkeypatch.setattr("time.perf_counter_ns", lambda: self.wall)
        monkeypatch.setattr("time.thread_time_ns", lambda: self.thread)

    def run(self):
        self.wall += 5_000_000
        self.thread += 2_000_000


@pytest.fixture
def machine(monkeypatch):
    return Machine(monkeypatch)


def test_the_wall_clock_tells_what_passed(machine):
    assert WallClock().time(machine.run) == (5.0, 5.0)


def test_the_thread_clock_leaves_out_what_others_took(machine):
    assert ThreadClock().time(machine.run) == (2.0, 5.0)


@pytest.mark.parametrize("clock", [WallClock(), ThreadClock()])
def test_several_runs_in_a_row_give_their_mean(machine, clock):
    once = clock.time(machine.run)
    assert clock.time(machine.run, repeats=4) == once
    assert machine.wall == 5 * 5_000_000


def test_the_clock_of_one_thread_is_the_threads(monkeypatch):
    monkeypatch.setattr("time.get_clock_info", lambda _: _Info(1e-9))
    assert cpu_clock(Placement(Device("cpu"), threads=1)).name == "thread"
    assert cpu_clock(Placement(Device("cpu"), threads=2)).name == "wall"


def test_a_coarse_thread_clock_is_not_used(monkeypatch):
    monkeypatch.setattr("time.get_clock_info", lambda _: _Info(0.0156))
    assert cpu_clock(Placement(Device("cpu"), threads=1)).name == "wall"


class _Info:
    def __init__(self, resolution):
        self.resolution = resolution


def test_sleeping_is_no_work_of_the_thread():
    ms, wall_ms = ThreadClock().time(lambda: time.sleep(0.05))
    assert ms < 25 < wall_ms


class Event:
    """Stands for an event of CUDA: the GPU takes 3 ms per run."""

    def __init__(self, enable_timing):
        assert enable_timing
        self.log = Stream.log

    def record(self, stream):
        self.at = len([entry for entry in self.log if entry == "run"])
        self.log.append(f"record on {stream.name}")

    def synchronize(self):
        self.log.append("wait")

    def elapsed_time(self, other):
        return 3.0 * (other.at - self.at)


class Stream:
    log: list[str] = []

    def __init__(self, name):
        self.name = name


def test_events_are_put_around_the_runs_on_their_stream(monkeypatch):
    @contextlib.contextmanager
    def use(stream):
        Stream.log.append(f"use {stream.name}")
        yield

    Stream.log.clear()
    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch.cuda, "stream", use)
    timing = CudaClock(Stream("s")).time(lambda: Stream.log.append("run"), repeats=2)
    assert timing.ms == 3.0
    assert Stream.log == ["use s", "record on s", "run", "run", "record on s", "wait"]
