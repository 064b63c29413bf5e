from __future__ import annotations

import onnxruntime
import pytest
import torch
from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors

from latency import Device, LatencyError, UnavailableError
from latency.devices.device import Placement
from latency.onnx_files.sessions import (
    Provider,
    check_provider,
    cuda_provider,
    open_on,
    open_session,
)

no_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="here the provider would load")


@no_gpu
def test_onnxruntime_falling_back_to_the_cpu_is_an_error(onnx_file, capfd):
    with pytest.raises(UnavailableError, match=r"cuda:0 was asked for.*CPUExecutionProvider"):
        open_session(onnx_file, "cuda")
    assert capfd.readouterr() == ("", "")


@no_gpu
def test_it_is_an_error_too_where_single_operators_may_run_on_the_cpu(onnx_file):
    placement = Placement(Device("cuda"), allow_fallback=True)
    with pytest.raises(UnavailableError, match=r"cuda:0 was asked for.*CPUExecutionProvider"):
        open_on(cuda_provider(Device("cuda")), onnx_file, placement)


@no_gpu
def test_a_provider_whose_libraries_are_missing_is_an_error(onnx_file, capfd):
    if "TensorrtExecutionProvider" not in onnxruntime.get_available_providers():
        pytest.skip("this onnxruntime is not built for GPUs")
    with pytest.raises(UnavailableError, match="TensorrtExecutionProvider does not load"):
        open_on(Provider("TensorrtExecutionProvider"), onnx_file, Placement(Device("cuda")))
    assert capfd.readouterr() == ("", "")


def test_a_provider_that_is_not_built_in_is_an_error(onnx_file, monkeypatch):
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    with pytest.raises(UnavailableError, match="has no CUDAExecutionProvider"):
        open_session(onnx_file, "cuda")


def test_only_the_provider_of_the_device_will_do():
    check_provider("CUDAExecutionProvider", "CUDAExecutionProvider", Device("cuda"))
    with pytest.raises(UnavailableError, match="cpu was asked for"):
        check_provider("CUDAExecutionProvider", "CPUExecutionProvider", Device("cpu"))


class FakeSession:
    """Stands for onnxruntime on a GPU that lacks a kernel for an operator of the network."""

    def __init__(self, path, options, providers, enable_fallback):
        try:
            strict = options.get_session_config_entry("session.disable_cpu_ep_fallback") == "1"
        except RuntimeError:
            strict = False
        if strict:
            raise ort_errors.Fail("This session contains nodes assigned to the default CPU EP")

    def get_providers(self):
        return ["CUDAExecutionProvider", "CPUExecutionProvider"]


@pytest.fixture
def gpu_without_a_kernel(monkeypatch, onnx_file):
    # The file is exported before the session is replaced.
    assert onnx_file.exists()
    monkeypatch.setattr(onnxruntime, "InferenceSession", FakeSession)
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider"])


@pytest.mark.usefixtures("gpu_without_a_kernel")
def test_an_operator_that_would_run_on_the_cpu_is_an_error(onnx_file):
    with pytest.raises(UnavailableError, match="lacks some of its operators"):
        open_session(onnx_file, "cuda")


@pytest.mark.usefixtures("gpu_without_a_kernel")
def test_an_operator_may_run_on_the_cpu_if_that_is_allowed(onnx_file):
    placement = Placement(Device("cuda"), allow_fallback=True)
    session = open_on(cuda_provider(Device("cuda")), onnx_file, placement)
    assert session.get_providers()[0] == "CUDAExecutionProvider"


def test_cuda_runs_in_true_float32_on_the_stream_given():
    assert cuda_provider(Device("cuda", 2), stream=77).options == {
        "device_id": 2,
        "use_tf32": 0,
        "user_compute_stream": "77",
    }


def test_a_session_uses_the_threads_asked_for(onnx_file):
    session = open_session(onnx_file, "cpu", threads=2)
    assert session.get_session_options().intra_op_num_threads == 2


def test_a_file_that_is_no_network_is_named(tmp_path):
    path = tmp_path / "broken.onnx"
    path.write_text("no network")
    with pytest.raises(LatencyError, match=r"broken\.onnx: onnxruntime cannot load it"):
        open_session(path, "cpu")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(LatencyError, match=r"absent\.onnx: no such file"):
        open_session(tmp_path / "absent.onnx", "cpu")
