"""Tests for what is said of precisions."""

from __future__ import annotations

import pytest
import torch

from nas.training import precision
from nas.training.precision import remark

CPU = torch.device("cpu")


@pytest.fixture
def instructions(monkeypatch):
    """Sets the precisions that this processor has instructions for."""

    def has(*names: str) -> None:
        monkeypatch.setattr(precision, "_has_instructions", lambda name: name in names)

    return has


def test_a_precision_without_instructions_is_told(instructions) -> None:
    instructions("float16")
    told = remark(CPU, ["float32", "bfloat16", "float16"])
    assert told is not None
    assert "no instructions for bfloat16, so float32" in told


@pytest.mark.parametrize("asked", [["float32"], ["bfloat16"]])
def test_what_is_as_fast_as_can_be_is_not(asked, instructions) -> None:
    instructions("bfloat16")
    assert remark(CPU, asked) is None


def test_a_gpu_is_left_alone(instructions) -> None:
    instructions()
    assert remark(torch.device("cuda"), ["bfloat16"]) is None


@pytest.mark.parametrize(("name", "short"), [("bfloat16", "bf16"), ("float16", "fp16")])
@pytest.mark.parametrize("answer", [True, False])
def test_the_processor_is_asked(name, short, answer, monkeypatch) -> None:
    # Without `raising=False`, so that a version of PyTorch without the question fails here.
    monkeypatch.setattr(torch.ops.mkldnn, f"_is_mkldnn_{short}_supported", lambda: answer)
    assert (remark(CPU, [name]) is None) is answer
