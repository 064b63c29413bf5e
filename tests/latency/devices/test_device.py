from __future__ import annotations

import pytest
import torch

from latency import Device, LatencyError, UnavailableError, parse_device
from latency.devices.device import Placement, check_present


@pytest.mark.parametrize(
    ("text", "device"),
    [
        ("cpu", Device("cpu")),
        ("cuda", Device("cuda", 0)),
        ("cuda:3", Device("cuda", 3)),
        (torch.device("cuda", 1), Device("cuda", 1)),
    ],
)
def test_devices_are_read(text, device):
    assert parse_device(text) == device


@pytest.mark.parametrize("text", ["", "gpu", "cuda:", "cuda:-1", "cuda:x", "cpu:0", "auto", "CPU"])
def test_nonsense_is_refused_in_one_sentence(text):
    with pytest.raises(LatencyError) as caught:
        parse_device(text)
    assert str(caught.value) == f"device {text!r} is not known: use cpu, cuda or cuda:N."


def test_a_device_is_named_as_the_user_names_it():
    assert [str(Device("cpu")), str(Device("cuda", 2))] == ["cpu", "cuda:2"]


def test_a_missing_gpu_is_named():
    with pytest.raises(UnavailableError, match="device cuda:97 is not there"):
        check_present(Device("cuda", 97))


def test_threads_below_one_are_refused():
    with pytest.raises(LatencyError, match="threads is 0"):
        Placement(Device("cpu"), threads=0)
