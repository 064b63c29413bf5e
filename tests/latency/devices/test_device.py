from __future__ import annotations

import multiprocessing
import os

import pytest
import torch

from latency import Device, LatencyError, UnavailableError, device_lock, parse_device
from latency.devices.device import Placement, check_present
from latency.errors import BusyError


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


@pytest.fixture(autouse=True)
def _own_lock_folder(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


def _take_lock(folder: str, queue: multiprocessing.Queue) -> None:
    import tempfile

    tempfile.tempdir = folder
    try:
        with device_lock(Device("cpu"), patience=0):
            queue.put("taken")
    except BusyError:
        queue.put("busy")


def test_processes_exclude_each_other(tmp_path):
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    arguments = (str(tmp_path), queue)
    with device_lock(Device("cpu")):
        process = context.Process(target=_take_lock, args=arguments)
        process.start()
        assert queue.get(timeout=30) == "busy"
        process.join(30)
    process = context.Process(target=_take_lock, args=arguments)
    process.start()
    assert queue.get(timeout=30) == "taken"
    process.join(30)


def test_the_lock_of_a_gpu_is_named_by_what_does_not_depend_on_visibility(monkeypatch, tmp_path):
    class Properties:
        uuid = "1234-abcd"

    monkeypatch.setattr("torch.cuda.get_device_properties", lambda _: Properties)
    with device_lock(Device("cuda", 3)) as path:
        assert path.name == "latency-1234-abcd.lock"


def test_a_lock_that_is_never_given_back_ends_with_a_sentence():
    sentence = "another process has been measuring on cpu for 0 s; wait for it or end it (it holds "
    with device_lock(Device("cpu")) as path, pytest.raises(BusyError) as refused:
        device_lock(Device("cpu"), patience=0).__enter__()
    assert str(refused.value) == f"{sentence}{path})."


def test_the_lock_lies_where_no_other_user_can_hold_it():
    with device_lock(Device("cpu")) as path:
        assert path.parent.stat().st_mode & 0o077 == 0
        assert path.parent.stat().st_uid == os.getuid()
