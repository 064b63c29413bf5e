"""Compiles and loads the native kernels, once per machine."""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from pathlib import Path

from user_folders import open_own, private_folder

_NAMES = ("batch_norm.c", "convolution.c", "depthwise.c")
_SOURCES = tuple(Path(__file__).with_name(name) for name in _NAMES)
_FLAGS = ("-O3", "-march=native", "-fno-math-errno", "-shared", "-fPIC")


@functools.cache
def load() -> ctypes.CDLL | None:
    """The compiled kernels, or None where they cannot be had.

    They are compiled at the first call with the C compiler in ``$CC`` or on the path and kept in
    the user's cache folder (``$NAS_CACHE`` overrides it). Code that somebody else may have written
    is not loaded, nor is a damaged file: they are compiled again. ``NAS_NATIVE=0`` switches them
    off. Without a compiler PyTorch's own kernels are used: slower, with equal results.
    """
    if os.environ.get("NAS_NATIVE", "1") == "0":
        return None
    compiler = shutil.which(os.environ.get("CC", "cc")) or shutil.which("gcc")
    if compiler is None:
        return None
    path = private_folder("native") / f"kernels-{key()}.so"
    try:
        if (found := _compiled_before(path)) is not None:
            return found
        _compile(compiler, path)
        return ctypes.CDLL(str(path))
    except (OSError, subprocess.SubprocessError):
        return None


def _compiled_before(path: Path) -> ctypes.CDLL | None:
    try:
        with open_own(path) as library, open_own(_digest_file(path)) as digest:
            # A library that was cut short would end the process when it is used.
            if _digest(library.read()) != digest.read():
                return None
            # The very file that was checked, as the name may be given to another.
            checked = f"/proc/self/fd/{library.fileno()}"
            return ctypes.CDLL(checked if Path(checked).exists() else str(path))
    except OSError:
        return None


def _digest_file(path: Path) -> Path:
    return path.with_suffix(".sha256")


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(content).hexdigest().encode()


def key() -> str:
    """Changes with the kernels, how they are compiled, and the processor."""
    # A library compiled for one processor may hold instructions that another lacks.
    sources = [source.read_text(encoding="utf-8") for source in _SOURCES]
    parts = [*sources, " ".join(_FLAGS), _processor()]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return f"{platform.machine()} {platform.processor()}"
    return next((line for line in lines if line.startswith("flags")), platform.machine())


def _compile(compiler: str, path: Path) -> None:
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        built, digest = Path(folder) / path.name, Path(folder) / "digest"
        command = [compiler, *_FLAGS, *map(str, _SOURCES), "-o", str(built), "-lm"]
        subprocess.run(command, check=True, capture_output=True, timeout=60)
        # A umask of 002 would let others of the group write what is loaded later.
        built.chmod(0o700)
        digest.touch(mode=0o600)
        digest.write_bytes(_digest(built.read_bytes()))
        built.replace(path)
        digest.replace(_digest_file(path))
