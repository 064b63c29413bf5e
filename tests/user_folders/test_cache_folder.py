"""Where caches go, with all that homes and variables can be."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from user_folders import cache_folder, private_folder


@pytest.fixture(autouse=True)
def _nothing_is_set(monkeypatch, tmp_path):
    for name in ("NAS_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    monkeypatch.setattr("sys.platform", "linux")
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


def test_the_variable_of_ours_comes_first(monkeypatch, tmp_path):
    monkeypatch.setenv("NAS_CACHE", str(tmp_path / "mine"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "system"))
    assert cache_folder() == tmp_path / "mine"


def test_a_relative_cache_is_the_same_for_processes_that_start_elsewhere(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NAS_CACHE", "mine")
    assert cache_folder() == tmp_path / "mine"


@pytest.mark.parametrize("value", ["", "relative/folder"])
def test_what_the_specification_ignores_is_ignored(monkeypatch, tmp_path, value):
    monkeypatch.setenv("XDG_CACHE_HOME", value)
    assert cache_folder() == tmp_path / "home" / ".cache" / "nas"


def test_a_user_without_a_name_and_home_needs_none_where_a_cache_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(Path, "home", _no_home)
    monkeypatch.setenv("NAS_CACHE", str(tmp_path / "mine"))
    assert cache_folder() == tmp_path / "mine"


def test_a_user_without_a_name_and_home_gets_a_temporary_folder(monkeypatch, tmp_path, caplog):
    monkeypatch.setattr(Path, "home", _no_home)
    with caplog.at_level(logging.WARNING):
        found = cache_folder()
    assert found == tmp_path / "temporary" / f"nas-{os.getuid()}"
    assert found.stat().st_mode & 0o777 == 0o700
    (record,) = caplog.records
    assert record.message.startswith("there is no home folder; what can be made again is kept in ")


@pytest.mark.parametrize("home", ["/proc", "/dev/null"])
def test_a_home_that_nobody_can_write_gives_a_temporary_folder(monkeypatch, tmp_path, home):
    monkeypatch.setenv("HOME", home)
    assert cache_folder().parent == tmp_path / "temporary"


def test_a_full_home_gives_a_temporary_folder(monkeypatch, tmp_path, full_disk):
    with full_disk(1 << 12):
        found = cache_folder()
    assert found.parent == tmp_path / "temporary"


def test_a_temporary_folder_of_somebody_else_is_not_taken(monkeypatch, tmp_path):
    monkeypatch.setattr(Path, "home", _no_home)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "temporary" / f"nas-{os.getuid()}").symlink_to(elsewhere)
    found = cache_folder()
    assert found.parent == tmp_path / "temporary"
    assert found.name != f"nas-{os.getuid()}"
    assert found.stat().st_mode & 0o777 == 0o700


def test_a_private_folder_that_is_a_link_is_not_taken(monkeypatch, tmp_path):
    monkeypatch.setenv("NAS_CACHE", str(tmp_path / "mine"))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "native").symlink_to(tmp_path)
    found = private_folder("native")
    assert found == tmp_path / "temporary" / f"nas-{os.getuid()}" / "native"
    assert found.stat().st_mode & 0o777 == 0o700


def _no_home() -> Path:
    raise RuntimeError("Could not determine home directory.")
