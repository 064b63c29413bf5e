"""onnxruntime sessions that run on the device asked for, or not at all."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import Any

import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors

from latency.device import Device, parse_device
from latency.errors import LatencyError

_FATAL = 4
_WARNING = 2
_UNREADABLE = (
    ort_errors.Fail,
    ort_errors.InvalidArgument,
    ort_errors.InvalidGraph,
    ort_errors.InvalidProtobuf,
    ort_errors.NotImplemented,
    ort_errors.RuntimeException,
)


def session_options(threads: int) -> onnxruntime.SessionOptions:
    """Options of a quiet session that uses so many CPU threads.

    Raises:
        LatencyError: If threads is below 1.
    """
    if threads < 1:
        raise LatencyError(f"threads is {threads}: give at least 1.")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _FATAL
    return options


def open_session(path: Path, device: str, threads: int = 1) -> onnxruntime.InferenceSession:
    """Loads an ONNX file for a device.

    Args:
        path: The ONNX file.
        device: "cpu", "cuda" or "cuda:N".
        threads: CPU threads of one operator.

    Raises:
        LatencyError: If the file is missing or is not a network, the device is not known, or
            onnxruntime would run the network somewhere else.
    """
    parsed = parse_device(device)
    if not path.is_file():
        raise LatencyError(f"{path}: no such file.")
    try:
        session = _create_session(path, parsed, session_options(threads))
    except _UNREADABLE as error:
        reason = " ".join(str(error).split())
        raise LatencyError(f"{path}: onnxruntime cannot load it ({reason}).") from error
    check_provider(session.get_providers()[0], parsed)
    return session


def check_provider(provider: str, device: Device) -> None:
    """Refuses the silent fallback of onnxruntime to another provider.

    Raises:
        LatencyError: If the provider is not the device's.
    """
    if provider != device.provider:
        raise LatencyError(
            f"{device} was asked for, but onnxruntime runs on {provider}: install onnxruntime-gpu "
            "and the CUDA and cuDNN versions that it needs, or use cpu."
        )


def _create_session(
    path: Path, device: Device, options: onnxruntime.SessionOptions
) -> onnxruntime.InferenceSession:
    if device.kind == "cpu":
        return onnxruntime.InferenceSession(str(path), options, providers=[device.provider])
    # torch brings the CUDA libraries; without this call onnxruntime does not find them. It prints
    # what it misses, which the error below says in one sentence.
    with contextlib.redirect_stdout(io.StringIO()):
        onnxruntime.preload_dlls()
    # A provider that does not load writes to stderr, whatever the session's level is.
    onnxruntime.set_default_logger_severity(_FATAL)
    try:
        return onnxruntime.InferenceSession(
            str(path), options, providers=[(device.provider, _cuda_options(device))]
        )
    finally:
        onnxruntime.set_default_logger_severity(_WARNING)


def _cuda_options(device: Device) -> dict[str, Any]:
    # TF32, the default, would not be the float32 that the device's identity names.
    return {"device_id": device.index, "use_tf32": 0}
