from __future__ import annotations

import pytest

from nas import trust
from nas.errors import UserError

URL = "postgresql://me@server/studies"


@pytest.fixture(autouse=True)
def _nothing_told(monkeypatch, tmp_path):
    monkeypatch.setenv("NAS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(trust, "_told", set())


def test_what_was_never_named_is_refused_with_what_to_do(tmp_path):
    with pytest.raises(UserError) as refused:
        trust.require([URL], tmp_path)
    assert URL in str(refused.value)
    assert str(refused.value).endswith(f"allow that with: nas trust {tmp_path}")


def test_what_was_named_is_allowed_in_later_processes(monkeypatch, tmp_path):
    trust.tell([URL, "own.py:Net"])
    monkeypatch.setattr(trust, "_told", set())
    trust.require([URL, "own.py:Net"], tmp_path)
    with pytest.raises(UserError, match="other"):
        trust.require([URL, "other"], tmp_path)


def test_a_list_that_others_could_write_is_not_believed(monkeypatch, tmp_path):
    trust.tell([URL])
    monkeypatch.setattr(trust, "_told", set())
    (tmp_path / "cache" / "trusted" / "names").chmod(0o666)
    with pytest.raises(UserError):
        trust.require([URL], tmp_path)


def test_without_a_cache_the_process_still_knows(monkeypatch, tmp_path, full_disk):
    with full_disk(0):
        trust.tell([URL])
        trust.require([URL], tmp_path)
