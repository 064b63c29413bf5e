from __future__ import annotations

import multiprocessing

import pytest
from filelock import Timeout

from latency import Device, device_lock


@pytest.fixture(autouse=True)
def _own_lock_folder(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


def _take_lock(folder: str, queue: multiprocessing.Queue) -> None:
    import tempfile

    tempfile.tempdir = folder
    try:
        with device_lock(Device("cpu")).acquire(timeout=0):
            queue.put("taken")
    except Timeout:
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
    assert device_lock(Device("cuda", 3)).lock_file == str(tmp_path / "latency-1234-abcd.lock")
