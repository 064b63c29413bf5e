from __future__ import annotations

import pytest

from nas import allowed
from nas.errors import UserError

URL = "postgresql://me@server/studies"


@pytest.fixture(autouse=True)
def _nothing_told(monkeypatch, tmp_path):
    monkeypatch.setenv("NAS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(allowed, "_told", set())


def test_what_was_never_named_is_refused_with_what_to_do(tmp_path):
    with pytest.raises(UserError) as refused:
        allowed.require([URL], tmp_path)
    assert URL in str(refused.value)
    assert str(refused.value).endswith(f"allow that with: nas allow {tmp_path}")


def test_what_was_named_is_allowed_in_later_processes(monkeypatch, tmp_path):
    allowed.allow([URL, "own.py:Net"])
    monkeypatch.setattr(allowed, "_told", set())
    allowed.require([URL, "own.py:Net"], tmp_path)
    with pytest.raises(UserError, match="other"):
        allowed.require([URL, "other"], tmp_path)


def test_a_list_that_others_could_write_is_not_believed(monkeypatch, tmp_path):
    allowed.allow([URL])
    monkeypatch.setattr(allowed, "_told", set())
    (tmp_path / "cache" / "allowed" / "names").chmod(0o666)
    with pytest.raises(UserError):
        allowed.require([URL], tmp_path)


def test_without_a_cache_the_process_still_knows(monkeypatch, tmp_path, full_disk):
    with full_disk(0):
        allowed.allow([URL])
        allowed.require([URL], tmp_path)
