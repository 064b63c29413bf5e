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

_NAMES = ("batch_norm.c", "convolution.c", "depthwise.c")
_SOURCES = tuple(Path(__file__).with_name(name) for name in _NAMES)
_FLAGS = ("-O3", "-march=native", "-fno-math-errno", "-shared", "-fPIC")


@functools.cache
def load() -> ctypes.CDLL | None:
    """The compiled kernels, or None where they cannot be had.

    They are compiled at the first call with the C compiler in ``$CC`` or on the path and kept in
    the user's cache folder (``$NAS_CACHE`` overrides it). ``NAS_NATIVE=0`` switches them off.
    Without a compiler PyTorch's own kernels are used: slower, with equal results.
    """
    if os.environ.get("NAS_NATIVE", "1") == "0":
        return None
    compiler = shutil.which(os.environ.get("CC", "cc")) or shutil.which("gcc")
    if compiler is None:
        return None
    path = _cache_folder() / f"kernels-{_key()}.so"
    try:
        if not path.exists():
            _compile(compiler, path)
        return ctypes.CDLL(str(path))
    except (OSError, subprocess.SubprocessError):
        return None


def _cache_folder() -> Path:
    default = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "nas"
    return Path(os.environ.get("NAS_CACHE") or default) / "native"


def _key() -> str:
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
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        built = Path(folder) / path.name
        command = [compiler, *_FLAGS, *map(str, _SOURCES), "-o", str(built), "-lm"]
        subprocess.run(command, check=True, capture_output=True, timeout=60)
        built.replace(path)
