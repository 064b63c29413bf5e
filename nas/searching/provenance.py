"""Where and with what something was computed."""

from __future__ import annotations

import functools
import platform
import socket
import subprocess
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from nas.cores import available_cpus

PACKAGES = ("torch", "torchvision", "timm", "optuna", "pymoo", "numpy", "onnx", "onnxruntime-gpu")


def provenance() -> dict[str, Any]:
    """Date, host, devices, commit and versions, JSON-serialisable."""
    return {
        "date": datetime.now().astimezone().isoformat(timespec="seconds"),
        "host": socket.gethostname(),
        "platform": platform.platform(),
        "cpus": available_cpus(),
        "devices": _gpus(),
        "commit": commit(),
        "versions": {"python": platform.python_version(), **_versions()},
    }


@functools.cache
def commit() -> str | None:
    """The commit of the checkout that this package runs from, or None.

    A trailing "+" means that tracked files had uncommitted changes.
    """
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return None
    name = _git(root, "rev-parse", "--short=12", "HEAD")
    if not name:
        return None
    changed = _git(root, "status", "--porcelain", "--untracked-files=no")
    return f"{name}+" if changed else name


def _git(root: Path, *arguments: str) -> str | None:
    try:
        answer = subprocess.run(
            ["git", "-C", str(root), *arguments],
            check=False,
            capture_output=True,
            text=True,
            timeout=20,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout.strip() if answer.returncode == 0 else None


def _versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def _gpus() -> list[str]:
    import torch

    return [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
