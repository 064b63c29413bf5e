"""onnxruntime sessions that run on the device asked for, or not at all."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors

from latency.devices.device import Device, Placement, check_threads, parse_device
from latency.errors import LatencyError, UnavailableError

CPU = "CPUExecutionProvider"
_FATAL = 4
_WARNING = 2
_ONLY_THIS_PROVIDER = "session.disable_cpu_ep_fallback"
_ON_THE_CPU = "assigned to the default CPU EP"
RUN_ERRORS = (ort_errors.Fail, ort_errors.InvalidArgument, ort_errors.RuntimeException)
"""What a session raises that cannot run its network on an input."""
_UNREADABLE = (
    ort_errors.EPFail,
    ort_errors.Fail,
    ort_errors.InvalidArgument,
    ort_errors.InvalidGraph,
    ort_errors.InvalidProtobuf,
    ort_errors.NotImplemented,
    ort_errors.RuntimeException,
)


@dataclass(frozen=True)
class Provider:
    """An execution provider of onnxruntime.

    Attributes:
        name: As onnxruntime names it.
        options: Its own options.
    """

    name: str
    options: Mapping[str, str | int] = field(default_factory=dict)


def cuda_provider(device: Device, stream: int | None = None) -> Provider:
    """CUDA in true float32.

    Args:
        device: The GPU.
        stream: Address of the CUDA stream that it uses; its own unless given.
    """
    # TF32, the default, would not be the float32 that the device's identity names.
    options: dict[str, str | int] = {"device_id": device.index, "use_tf32": 0}
    if stream is not None:
        options["user_compute_stream"] = str(stream)
    return Provider(device.provider, options)


def session_options(threads: int) -> onnxruntime.SessionOptions:
    """Options of a session that logs nothing and uses a number of CPU threads.

    Raises:
        LatencyError: If threads is below 1.
    """
    check_threads(threads)
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
        UnavailableError: If onnxruntime would run the network, or a part of it, somewhere else.
        LatencyError: If the file is missing or is not a network, or the device is not known.
    """
    parsed = parse_device(device)
    provider = Provider(CPU) if parsed.kind == "cpu" else cuda_provider(parsed)
    return open_on(provider, path, Placement(parsed, threads))


def open_on(provider: Provider, path: Path, placement: Placement) -> onnxruntime.InferenceSession:
    """Loads an ONNX file for a provider.

    Args:
        provider: What runs it.
        path: The ONNX file.
        placement: Of the network.

    Raises:
        UnavailableError: If onnxruntime would run the network somewhere else, or a part of it
            where the placement does not allow that.
        LatencyError: If the file is missing or is not a network.
    """
    if not path.is_file():
        raise LatencyError(f"{path}: no such file.")
    strict = provider.name != CPU and not placement.allow_fallback
    try:
        session = _create_session(path, provider, placement.threads, strict)
    except _UNREADABLE as error:
        reason = " ".join(str(error).split())
        if _ON_THE_CPU not in reason:
            raise LatencyError(f"{path}: onnxruntime cannot load it ({reason}).") from error
        # Either the provider did not load, or it lacks a kernel.
        session = _create_session(path, provider, placement.threads, strict=False)
        check_provider(session.get_providers()[0], provider.name, placement.device)
        raise UnavailableError(
            f"{path}: {provider.name} lacks some of its operators, which would run on the CPU: "
            "allow the fallback, or use cpu."
        ) from error
    check_provider(session.get_providers()[0], provider.name, placement.device)
    return session


def check_provider(found: str, wanted: str, device: Device) -> None:
    """Refuses the silent fallback of onnxruntime to another provider.

    Raises:
        UnavailableError: If the two providers are not the same.
    """
    if found != wanted:
        raise UnavailableError(
            f"{device} was asked for, but onnxruntime runs on {found} in place of {wanted}: "
            "install onnxruntime-gpu and the libraries that this provider needs, or use cpu."
        )


def _create_session(
    path: Path, provider: Provider, threads: int, strict: bool
) -> onnxruntime.InferenceSession:
    options = session_options(threads)
    if strict:
        options.add_session_config_entry(_ONLY_THIS_PROVIDER, "1")
    if provider.name == CPU:
        return onnxruntime.InferenceSession(str(path), options, providers=[CPU])
    if provider.name not in onnxruntime.get_available_providers():
        raise UnavailableError(
            f"this build of onnxruntime has no {provider.name}: install onnxruntime-gpu, or use "
            "cpu."
        )
    with _quiet():
        try:
            return onnxruntime.InferenceSession(
                str(path),
                options,
                providers=[(provider.name, dict(provider.options))],
                enable_fallback=0,
            )
        except RuntimeError as error:
            # A plain RuntimeError is what a provider raises when its own libraries are missing.
            raise UnavailableError(
                f"{provider.name} does not load: install the libraries that it needs, or use cpu."
            ) from error


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    # torch brings the CUDA libraries; without this call onnxruntime does not find them. It prints
    # what it misses, which the error says in one sentence.
    with contextlib.redirect_stdout(io.StringIO()):
        onnxruntime.preload_dlls()
    # A provider that does not load writes to stderr, whatever the session's level is.
    onnxruntime.set_default_logger_severity(_FATAL)
    try:
        yield
    finally:
        onnxruntime.set_default_logger_severity(_WARNING)
