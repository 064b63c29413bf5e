from __future__ import annotations

import os

import pytest

from user_folders import make_private, open_own


def test_a_file_of_the_user_is_read(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"content")
    path.chmod(0o644)
    with open_own(path) as file:
        assert file.read() == b"content"


@pytest.mark.parametrize("mode", [0o620, 0o602])
def test_a_file_that_others_can_write_is_refused(tmp_path, mode):
    path = tmp_path / "file"
    path.touch()
    path.chmod(mode)
    with pytest.raises(PermissionError):
        open_own(path)


def test_a_link_is_refused(tmp_path):
    (tmp_path / "file").touch(mode=0o600)
    (tmp_path / "link").symlink_to(tmp_path / "file")
    with pytest.raises(OSError):
        open_own(tmp_path / "link")


def test_a_pipe_is_refused_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "pipe", 0o600)
    with pytest.raises(PermissionError):
        open_own(tmp_path / "pipe")


def test_what_belongs_to_somebody_else_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "file"
    path.touch(mode=0o600)
    somebody = os.getuid() + 1
    monkeypatch.setattr("os.getuid", lambda: somebody)
    with pytest.raises(PermissionError):
        open_own(path)
    assert not make_private(tmp_path)


def test_a_file_is_no_private_folder(tmp_path):
    (tmp_path / "file").touch()
    assert not make_private(tmp_path / "file")
