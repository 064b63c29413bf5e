from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _own_lock_folder(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    # A busy machine is measured once, like a quiet one.
    for limit in ("INTERVAL_LIMIT", "DRIFT_LIMIT", "UNREST_LIMIT"):
        monkeypatch.setattr(f"latency.measuring.noise.{limit}", 1e6)
