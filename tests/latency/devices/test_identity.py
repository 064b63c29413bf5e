from __future__ import annotations

import dataclasses
import json

import onnxruntime
import pytest
import torch

from latency import DeviceIdentity, LatencyError, identify, same_device


def test_the_identity_names_what_runs():
    identity = identify("cpu", threads=2)
    assert identity.kind == "cpu"
    assert identity.model
    assert identity.threads == 2
    assert identity.onnxruntime == onnxruntime.__version__
    assert (identity.precision, identity.engine) == ("float32", "onnxruntime")
    assert (identity.cuda, identity.driver, identity.cudnn) == (None, None, None)


def test_the_record_survives_json():
    identity = identify("cpu")
    assert DeviceIdentity(**json.loads(json.dumps(identity.to_dict()))) == identity


def test_a_record_from_before_there_were_engines_is_read():
    old = identify("cpu").to_dict()
    for name in ("engine", "cudnn", "max_mhz", "governor"):
        del old[name]
    assert DeviceIdentity(**old).engine == "onnxruntime"


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
        {"precision": "int8"},
        {"onnxruntime": "0.1"},
        {"cuda": "13.0"},
        {"cudnn": 91000},
        {"engine": "torch"},
        {"engine": "tensorrt"},
        {"max_mhz": 800},
        {"governor": "powersave"},
    ],
)
def test_what_changes_the_figures_changes_the_device(change):
    identity = dataclasses.replace(identify("cpu"), max_mhz=3000, governor="performance")
    assert not same_device(identity, dataclasses.replace(identity, **change))


@pytest.mark.parametrize("engine", ["torch", "torch.compile", "cuda-graphs"])
def test_only_the_library_that_runs_the_network_counts(engine):
    identity = identify("cpu", engine=engine)
    assert same_device(identity, dataclasses.replace(identity, onnxruntime="0.1"))
    assert not same_device(identity, dataclasses.replace(identity, torch="0.1"))


def test_a_key_is_a_text_for_people():
    identity = dataclasses.replace(
        identify("cpu"), model="Some CPU", logical_cores=4, onnxruntime="1.2", max_mhz=None
    )
    assert dataclasses.replace(identity, governor=None).key == (
        "cpu, Some CPU, 4 cores, 1 threads, float32, onnxruntime 1.2"
    )
    torch_key = dataclasses.replace(identity, engine="torch", governor="performance", max_mhz=3000)
    assert torch_key.key == (
        f"cpu, Some CPU, 4 cores, 1 threads, float32, torch {torch.__version__}, 3000 MHz, "
        "performance governor"
    )


def test_a_missing_gpu_is_named():
    with pytest.raises(LatencyError, match="device cuda:97 is not there"):
        identify("cuda:97")


def test_threads_below_one_are_refused():
    with pytest.raises(LatencyError, match="threads is 0"):
        identify("cpu", threads=0)
