from __future__ import annotations

import subprocess
import sys

import pytest

import latency


def test_importing_the_package_loads_nothing_heavy():
    code = "import latency, sys; print({'torch', 'onnxruntime', 'thop'} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "set()"


def test_every_exported_name_is_there():
    assert all(getattr(latency, name).__name__ == name for name in latency.__all__)


def test_registering_needs_no_more_than_the_package():
    code = "import latency; print([callable(m.register) for m in (latency.costs, latency.engines)])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[True, True]"


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'guess'"):
        _ = latency.guess
