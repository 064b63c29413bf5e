"""Lets the tests, and the worker processes that they start, import the fakes."""

from __future__ import annotations

import os
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from nas.searching.databases import PASSWORD

HERE = Path(__file__).parent
ROOT = HERE.parents[2]

if str(HERE) not in sys.path:
    sys.path.insert(0, str(HERE))


@pytest.fixture(autouse=True)
def _importable_in_child_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [str(HERE), str(ROOT), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path for path in paths if path))


@pytest.fixture(scope="module")
def password() -> Iterator[str]:
    """The password of the server of NAS_TEST_POSTGRESQL, where searches find it."""
    if "NAS_TEST_POSTGRESQL" not in os.environ:
        pytest.skip("NAS_TEST_POSTGRESQL names no server")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(PASSWORD, "only-for-tests")
        yield "only-for-tests"


@pytest.fixture(scope="module")
def database(password: str) -> str:
    """Address of a new database: others may make their tables at the same time."""
    psycopg = pytest.importorskip("psycopg")
    server, name = os.environ["NAS_TEST_POSTGRESQL"], f"test_{uuid.uuid4().hex}"
    with psycopg.connect(server, password=password, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return f"{server.rpartition('/')[0]}/{name}"
