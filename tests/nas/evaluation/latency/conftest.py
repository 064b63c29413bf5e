from __future__ import annotations

import pytest

import search_spaces
from nas.evaluation.latency.candidates import SegmentationCandidates, untrained_encoder
from nas.models.encoder import EncoderSettings


@pytest.fixture(autouse=True)
def _own_lock_folder(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    # A busy machine is measured once, like a quiet one.
    for limit in ("INTERVAL_LIMIT", "DRIFT_LIMIT", "UNREST_LIMIT"):
        monkeypatch.setattr(f"latency.measuring.noise.{limit}", 1e6)


@pytest.fixture(scope="session")
def candidates() -> SegmentationCandidates:
    """Tiny decoders behind a tiny encoder."""
    space = search_spaces.create("fastnas", branches=2, cells=1, width=8)
    encoder = untrained_encoder(EncoderSettings(name="mobilenetv3_small_050"), space)
    return SegmentationCandidates(space, encoder, 3, (32, 32))
