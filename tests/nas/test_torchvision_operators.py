from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path

from nas.torchvision_operators import Completion, install

ROOT = Path(__file__).parents[2]


def test_it_is_installed_once():
    install()
    assert sum(isinstance(finder, Completion) for finder in sys.meta_path) == 1


def test_another_module_is_none_of_its_business(monkeypatch):
    monkeypatch.setattr(importlib, "import_module", None)
    assert Completion().find_spec("torchvision.io", None) is None


def test_timm_can_be_imported_before_nas_once_it_is_installed():
    command = "import nas.torchvision_operators as o; o.install(); import timm, nas; print(timm)"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    found = subprocess.run(
        [sys.executable, "-c", command], capture_output=True, text=True, env=environment, check=True
    )
    assert "timm" in found.stdout


def test_nothing_is_imported_when_python_starts():
    command = "import sys, nas.torchvision_operators; print('torch' in sys.modules)"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    found = subprocess.run(
        [sys.executable, "-S", "-c", command],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert found.stdout == "False\n"
