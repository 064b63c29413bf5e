"""The check of a GPU, as small as it can be on a CPU."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def gpu_check(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    monkeypatch.setenv("NAS_CACHE", str(tmp_path / "cache"))
    yield __import__("gpu_check")
    for name in ("gpu_check", "candidate_throughput", "plain_fastnas"):
        sys.modules.pop(name, None)


def test_every_kind_of_step_gives_figures(gpu_check, tmp_path, capsys):
    out = tmp_path / "figures.json"
    only = ["one worker", "retraining", "plain", "engine onnxruntime"]
    arguments = ["--tiny", "--device", "cpu", "--out", str(out), "--only", *only]
    steps = gpu_check.main(arguments)
    assert [(step.name, step.problem) for step in steps] == [
        ("search, one worker", ""),
        ("retraining in mixed precision", ""),
        ("beside the plain loop", ""),
        ("engine onnxruntime", ""),
    ]
    record = json.loads(out.read_text())
    assert record["device"] == "cpu" and record["tiny"]
    figures = {key for step in record["steps"] for key in step["figures"]}
    assert {"candidates per hour", "times as fast", "difference of two measurements"} <= figures
    assert "times as fast" in capsys.readouterr().out


def test_a_step_that_fails_or_comes_too_late_leaves_the_others(gpu_check, tmp_path, monkeypatch):
    check = gpu_check.Check("cpu", gpu_check.TINY, tmp_path)

    def fail():
        raise RuntimeError("out of memory\nhere")

    steps = {"first": fail, "second": lambda: {"figure": 1.0}}
    monkeypatch.setattr(gpu_check.Check, "steps", property(lambda self: steps))
    first, second = gpu_check.run(check, 60)
    assert first.problem == "RuntimeError: out of memory here" and first.figures == {}
    assert second.figures == {"figure": 1.0} and second.problem == ""
    assert [step.problem for step in gpu_check.run(check, -1)] == ["no time was left"] * 2


def test_without_a_gpu_it_says_so(gpu_check, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(SystemExit, match="no GPU is at hand"):
        gpu_check.main([])
