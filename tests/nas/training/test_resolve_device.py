from __future__ import annotations

import pytest
import torch

from nas.errors import UserError
from nas.training.device import resolve_device


@pytest.fixture(params=[0, 2])
def gpus(request, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: request.param > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: request.param)
    return request.param


def test_cpu_is_always_there(gpus):
    assert resolve_device("cpu") == torch.device("cpu")


def test_auto_takes_the_first_gpu_if_there_is_one(gpus):
    assert resolve_device("auto") == torch.device("cuda:0" if gpus else "cpu")


@pytest.mark.parametrize("gpus", [2], indirect=True)
@pytest.mark.parametrize(("name", "index"), [("cuda", 0), ("cuda:0", 0), ("cuda:1", 1)])
def test_a_gpu_by_its_number(gpus, name, index):
    assert resolve_device(name) == torch.device("cuda", index)


@pytest.mark.parametrize("gpus", [2], indirect=True)
def test_a_number_beyond_the_gpus_is_refused(gpus):
    with pytest.raises(UserError, match="'cuda:2' was asked for, but there are 2 GPUs"):
        resolve_device("cuda:2")


@pytest.mark.parametrize("gpus", [0], indirect=True)
@pytest.mark.parametrize("name", ["cuda", "cuda:1"])
def test_without_a_gpu_the_message_says_what_to_do(gpus, name):
    with pytest.raises(UserError, match=f"'{name}' was asked for.*use --device cpu"):
        resolve_device(name)


@pytest.mark.parametrize(
    "name", ["", "gpu", "CPU", "cpu:0", "cpu:", "cuda:x", "cuda:-1", "cuda:", "cuda:1:2", "mps"]
)
def test_other_names_are_refused(gpus, name):
    with pytest.raises(UserError, match=f"device '{name}' is not known; use auto, cpu, cuda"):
        resolve_device(name)
