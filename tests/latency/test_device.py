from __future__ import annotations

import dataclasses
import json

import onnxruntime
import pytest
import torch

from latency import Device, DeviceIdentity, LatencyError, identify, parse_device, same_device
from latency.device import _driver_version, _processor_name


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


def test_the_identity_names_what_runs():
    identity = identify("cpu", threads=2)
    assert identity.kind == "cpu"
    assert identity.model
    assert identity.threads == 2
    assert identity.onnxruntime == onnxruntime.__version__
    assert identity.precision == "float32"
    assert (identity.cuda, identity.driver) == (None, None)


def test_the_record_survives_json():
    identity = identify("cpu")
    assert DeviceIdentity(**json.loads(json.dumps(identity.to_dict()))) == identity


def test_another_host_of_the_same_model_is_the_same_device():
    identity = identify("cpu")
    elsewhere = dataclasses.replace(identity, host="elsewhere")
    assert elsewhere.key == identity.key
    assert same_device(identity, elsewhere)


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "cuda"},
        {"model": "another"},
        {"threads": 7},
        {"logical_cores": 999},
        {"precision": "bfloat16"},
        {"onnxruntime": "0.1"},
        {"cuda": "13.0"},
    ],
)
def test_what_changes_the_figures_changes_the_device(change):
    identity = identify("cpu")
    assert not same_device(identity, dataclasses.replace(identity, **change))


def test_the_processor_is_named_by_the_system(tmp_path):
    info = tmp_path / "cpuinfo"
    info.write_text("processor\t: 0\nmodel name\t: Some CPU 3000\nprocessor\t: 1\n")
    assert _processor_name(info) == "Some CPU 3000"


@pytest.mark.parametrize("text", [None, "processor\t: 0\n"])
def test_a_processor_without_a_name_is_named_by_its_architecture(tmp_path, monkeypatch, text):
    monkeypatch.setattr("platform.processor", lambda: "")
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    info = tmp_path / "cpuinfo"
    if text is not None:
        info.write_text(text)
    assert _processor_name(info) == "riscv64"


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
    assert _driver_version(version) == "535.104.05"


def test_no_driver_is_none(tmp_path):
    assert _driver_version(tmp_path / "version") is None


def test_a_missing_gpu_is_named():
    with pytest.raises(LatencyError, match="device cuda:97 is not there"):
        identify("cuda:97")


def test_threads_below_one_are_refused():
    with pytest.raises(LatencyError, match="threads is 0"):
        identify("cpu", threads=0)
