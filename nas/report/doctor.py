"""Whether this machine has what searches need."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import onnxruntime
import torch
from rich.table import Table
from rich.text import Text

from nas.cores import available_cpus
from nas.errors import UserError
from nas.report.run_list import size
from nas.searching.databases import without_password
from nas.searching.provenance import provenance
from nas.searching.run_folder import RunFolder
from nas.searching.study import read_study
from nas.terminal import visible
from search_spaces.native import choices, library
from user_folders import cache_folder

_LITTLE = 2_000_000_000
"""Bytes of free disk below which a search may not fit."""


@dataclass(frozen=True)
class Finding:
    """Something that was looked at.

    Attributes:
        name: What.
        told: What was found.
        problem: What to do about it, or None if all is well.
    """

    name: str
    told: str
    problem: str | None = None


def examine(run: RunFolder | None = None, folder: Path | None = None) -> list[Finding]:
    """Looks at versions, devices, providers, compiler, permissions and free disk.

    Args:
        run: A run whose storage is reached too.
        folder: Where runs go; the current folder unless given.
    """
    return [*_software(), *_devices(), *_places(folder or Path.cwd()), *_storage(run)]


def _software() -> Iterator[Finding]:
    versions = provenance()["versions"]
    yield Finding("versions", ", ".join(f"{name} {text}" for name, text in versions.items()))
    old = sys.version_info < (3, 11)
    yield Finding("python", sys.executable, "use Python 3.11 or later" if old else None)


def _devices() -> Iterator[Finding]:
    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    yield Finding("devices", ", ".join([f"{available_cpus()} cores", *gpus]))
    providers = onnxruntime.get_available_providers()
    lacking = bool(gpus) and "CUDAExecutionProvider" not in providers
    advice = "install onnxruntime-gpu for latencies on the GPU" if lacking else None
    yield Finding("onnxruntime", ", ".join(providers), advice)
    if os.environ.get("NAS_NATIVE") == "0":
        yield Finding("compiler", "not used: NAS_NATIVE=0")
        return
    compiler = shutil.which(os.environ.get("CC", "cc")) or shutil.which("gcc")
    if compiler is None:
        yield Finding("compiler", "none", "install a C compiler for faster training on a CPU")
    elif library.load() is None:
        yield Finding("compiler", compiler, "it cannot compile our kernels, so PyTorch's are used")
    else:
        slower = len(choices.standard_shapes())
        told = f"; PyTorch's kernels are used for {slower} shapes that they are faster for"
        yield Finding("compiler", compiler + (told if slower else ""))


def _places(folder: Path) -> Iterator[Finding]:
    for name, place in {
        "runs": folder,
        "cache": cache_folder(),
        "temporary": Path(tempfile.gettempdir()),
    }.items():
        free = shutil.disk_usage(place).free
        problem = None
        if not os.access(place, os.W_OK | os.X_OK):
            problem = "it cannot be written"
        elif free < _LITTLE:
            problem = "make room"
        yield Finding(name, f"{place}, {size(free)} free", problem)


def _storage(run: RunFolder | None) -> Iterator[Finding]:
    if run is None:
        return
    storage = run.config().storage
    told = str(run.study_path) if storage is None else without_password(storage)
    try:
        count = len(read_study(run).get_trials(deepcopy=False))
    except UserError as error:
        yield Finding("storage", told, str(error))
    else:
        yield Finding("storage", f"{told}, {count} trials")


def doctor_table(findings: list[Finding]) -> Table:
    """The findings as a table."""
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_column()
    table.add_column(overflow="fold")
    for finding in findings:
        table.add_row(finding.name, Text(visible(finding.told)))
        if finding.problem is not None:
            table.add_row("", Text.assemble(("problem:", "bold"), f" {visible(finding.problem)}"))
    return table
