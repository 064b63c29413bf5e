from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from nas import vision_libraries

ROOT = Path(__file__).parents[2]
LATE = ("timm", "torchvision", "torch._dynamo")


def test_gives_a_torchvision_whose_transforms_work():
    mask = vision_libraries.tv_tensors.Mask([[1, 2], [3, 4]])
    assert vision_libraries.torchvision.__name__ == "torchvision"
    assert vision_libraries.v2.Resize((2, 3))(mask).shape == (2, 3)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'timn'"):
        _ = vision_libraries.timn


def test_a_worker_begins_without_what_builds_networks_and_changes_images():
    # Then networks of a user's can import torchvision.
    command = (
        "import sys, nas.searching.local_processes, nas.torchvision_operators as operators\n"
        f"print([name for name in {LATE} if name in sys.modules])\n"
        "print(any(isinstance(finder, operators.Completion) for finder in sys.meta_path))\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    found = subprocess.run(
        [sys.executable, "-c", command], capture_output=True, text=True, env=environment, check=True
    )
    assert found.stdout == "[]\nTrue\n"
